# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of vmmd's REST API for scripts: requests over its Unix socket, and the console stream."""

import base64
import http.client
import json
import os
import re
import socket
import struct
import time


class ApiError(Exception):
    """A refusal by the API: its status and its words."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    def __init__(self, path, timeout=300):
        self.path = path
        self.timeout = timeout

    def call(self, method, path, body=None):
        connection = UnixConnection(self.path, self.timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise ApiError(f"{method} {path}: {response.status} {text.decode(errors='replace')}")
        return json.loads(text) if text else None

    def console(self, name):
        return Console(self.path, f"/v1/vms/{name}/console", self.timeout)


class Console:
    """The serial console of a VM: a WebSocket (RFC 6455) with bytes in binary messages."""

    def __init__(self, socket_path, path, timeout):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(socket_path)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                           f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                           "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._receive(1)
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise ApiError(f"console: {head.decode(errors='replace')}")
        self.text = ""

    def _receive(self, count):
        data = b""
        while len(data) < count:
            part = self.sock.recv(count - len(data))
            if not part:
                raise EOFError("the console has ended")
            data += part
        return data

    def _message(self):
        first, second = self._receive(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", self._receive(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self._receive(8))[0]
        return first & 0x0F, self._receive(length)

    def send(self, text):
        data = text.encode()
        mask = os.urandom(4)
        head = bytes([0x82]) + (bytes([0x80 | len(data)]) if len(data) < 126
                                else bytes([0xFE]) + struct.pack(">H", len(data)))
        self.sock.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def expect(self, pattern, seconds, echo=None):
        """Reads until the regular expression is seen; what was read is gone then."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            self.sock.settimeout(max(0.1, end - time.monotonic()))
            try:
                opcode, data = self._message()
            except TimeoutError:
                raise TimeoutError(f"no /{pattern}/ on the console within {seconds} s; it ends with: "
                                   f"{self.text[-2000:]!r}") from None
            if opcode == 8:
                raise EOFError("the console has ended")
            if opcode in (1, 2, 0):
                part = data.decode(errors="replace")
                self.text += part
                if echo:
                    echo(part)
        self.text = self.text[found.end():]
        return found
