# SPDX-License-Identifier: GPL-2.0-or-later
"""A small VNC client: RFC 6143, VeNCrypt, WebSocket; pictures in raw encoding only."""

import base64
import hashlib
import os
import socket
import ssl
import struct

DEADLINE = 20


class Refused(Exception):
    pass


# ---- DES, FIPS 46-3, for VNC authentication ----

def table(text):
    return [int(n) - 1 for n in text.split()]


IP = table("58 50 42 34 26 18 10 2 60 52 44 36 28 20 12 4 62 54 46 38 30 22 14 6 64 56 48 40 32 24 16 8 "
           "57 49 41 33 25 17 9 1 59 51 43 35 27 19 11 3 61 53 45 37 29 21 13 5 63 55 47 39 31 23 15 7")
FP = [IP.index(i) for i in range(64)]
E = [(4 * r + c - 1) % 32 for r in range(8) for c in range(6)]
P = table("16 7 20 21 29 12 28 17 1 15 23 26 5 18 31 10 2 8 24 14 32 27 3 9 19 13 30 6 22 11 4 25")
PC1 = table("57 49 41 33 25 17 9 1 58 50 42 34 26 18 10 2 59 51 43 35 27 19 11 3 60 52 44 36 "
            "63 55 47 39 31 23 15 7 62 54 46 38 30 22 14 6 61 53 45 37 29 21 13 5 28 20 12 4")
PC2 = table("14 17 11 24 1 5 3 28 15 6 21 10 23 19 12 4 26 8 16 7 27 20 13 2 "
            "41 52 31 37 47 55 30 40 51 45 33 48 44 49 39 56 34 53 46 42 50 36 29 32")
SHIFTS = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1]
S = [
    "e4d12fb83a6c5907" "0f74e2d1a6cb9538" "41e8d62bfc973a50" "fc8249175b3ea06d",
    "f18e6b34972dc05a" "3d47f28ec01a69b5" "0e7ba4d158c6932f" "d8a13f42b67c05e9",
    "a09e63f51dc7b428" "d709346a285ecbf1" "d6498f30b12c5ae7" "1ad069874fe3b52c",
    "7de3069a1285bc4f" "d8b56f03472c1ae9" "a690cb7df13e5284" "3f06a1d8945bc72e",
    "2c417ab6853fd0e9" "eb2c47d150fa3986" "421bad78f9c5630e" "b8c71e2d6f09a453",
    "c1af92680d34e75b" "af427c9561de0b38" "9ef528c3704a1db6" "432c95fabe17608d",
    "4b2ef08d3c975a61" "d0b7491ae35c2f86" "14bdc37eaf680592" "6bd814a7950fe23c",
    "d2846fb1a93e50c7" "1fd8a374c56b0e92" "7b419ce206adf358" "21e74a8dfc90356b",
]


def bits(data):
    return [byte >> (7 - i) & 1 for byte in data for i in range(8)]


def round_function(right, key):
    mixed = [right[e] ^ k for e, k in zip(E, key)]
    out = []
    for box in range(8):
        b = mixed[6 * box:6 * box + 6]
        row, column = b[0] * 2 + b[5], b[1] * 8 + b[2] * 4 + b[3] * 2 + b[4]
        value = int(S[box][row * 16 + column], 16)
        out += [value >> (3 - i) & 1 for i in range(4)]
    return [out[p] for p in P]


def des(key, block):
    cd = [bits(key)[i] for i in PC1]
    c, d = cd[:28], cd[28:]
    block = [bits(block)[i] for i in IP]
    left, right = block[:32], block[32:]
    for shift in SHIFTS:
        c, d = c[shift:] + c[:shift], d[shift:] + d[:shift]
        f = round_function(right, [(c + d)[i] for i in PC2])
        left, right = right, [a ^ b for a, b in zip(left, f)]
    out = [(right + left)[i] for i in FP]
    return bytes(sum(out[8 * n + i] << (7 - i) for i in range(8)) for n in range(8))


def vnc_response(password, challenge):
    """RFC 6143, 7.2.2: the password's bits of each byte in reverse are the key."""
    key = password.encode().ljust(8, b"\0")[:8]
    key = bytes(int("{:08b}".format(b)[::-1], 2) for b in key)
    return des(key, challenge[:8]) + des(key, challenge[8:])


# ---- transports ----

class WebSocket:
    """Binary frames over a socket: RFC 6455."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall(("GET /websockify HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nOrigin: http://localhost\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Protocol: binary\r\nSec-WebSocket-Key: %s\r\n\r\n" % key).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = sock.recv(1)
            if not byte:
                raise Refused("no WebSocket")
            head += byte
        accept = base64.b64encode(hashlib.sha1(
            (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert b"101" in head.split(b"\r\n")[0] and accept in head, head

    def _exactly(self, n):
        out = b""
        while len(out) < n:
            part = self.sock.recv(n - len(out))
            if not part:
                return out
            out += part
        return out

    def recv(self, n):
        while not self.data:
            head = self._exactly(2)
            if len(head) < 2 or head[0] & 0x0f == 8:
                return b""
            length = head[1] & 0x7f
            if length == 126:
                length = struct.unpack(">H", self._exactly(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", self._exactly(8))[0]
            self.data = self._exactly(length)
        out, self.data = self.data[:n], self.data[n:]
        return out

    def sendall(self, data):
        mask = os.urandom(4)
        head = bytes([0x82, 0x80 | len(data)]) if len(data) < 126 else \
            bytes([0x82, 0xfe]) + struct.pack(">H", len(data))
        self.sock.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def close(self):
        self.sock.close()


def connect_unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(DEADLINE)
    s.connect(path)
    return s


def connect_tcp(port, address="127.0.0.1"):
    return socket.create_connection((address, port), timeout=DEADLINE)


def tls(sock, ca=None, cert=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        context.load_verify_locations(ca)
    if cert:
        context.load_cert_chain(*cert)
    return context.wrap_socket(sock)


# ---- RFB ----

NONE, VNC_AUTH, VENCRYPT = 1, 2, 19
X509_NONE, X509_VNC = 260, 261
RAW, DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE, EXTENDED_KEY = 0, -223, -308, -258


class Client:
    def __init__(self, sock, password=None, security=None, shared=True, ca=None, cert=None):
        self.sock, self.password, self.ca, self.cert = sock, password, ca, cert
        self.extended_key = False
        assert self.read(12)[:4] == b"RFB "
        self.send(b"RFB 003.008\n")
        self.types = list(self.read(self.u8()))
        if not self.types:
            raise Refused(self.read(self.u32()).decode())
        self.authenticate(security or (VNC_AUTH if password else NONE))
        self.send(bytes([shared]))
        self.width, self.height = self.u16(), self.u16()
        self.read(16)
        self.name = self.read(self.u32()).decode()
        self.pixels = bytearray(self.width * self.height * 4)
        self.send(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        encodings = [RAW, DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE, EXTENDED_KEY]
        self.send(struct.pack(">BxH%di" % len(encodings), 2, len(encodings), *encodings))

    # -- bytes --

    def send(self, data):
        self.sock.sendall(data)

    def read(self, n):
        out = b""
        while len(out) < n:
            part = self.sock.recv(n - len(out))
            if not part:
                raise Refused("closed")
            out += part
        return out

    def u8(self):
        return self.read(1)[0]

    def u16(self):
        return struct.unpack(">H", self.read(2))[0]

    def u32(self):
        return struct.unpack(">I", self.read(4))[0]

    def i32(self):
        return struct.unpack(">i", self.read(4))[0]

    # -- security --

    def authenticate(self, security):
        self.send(bytes([security]))
        if security == VENCRYPT:
            security = self.vencrypt()
        if security == VNC_AUTH:
            self.send(vnc_response(self.password, self.read(16)))
        if self.u32() != 0:
            raise Refused("authentication")

    def vencrypt(self):
        assert self.read(2) == b"\0\2"
        self.send(b"\0\2")
        assert self.u8() == 0
        self.kinds = [self.u32() for _ in range(self.u8())]
        kind = X509_VNC if self.password else X509_NONE
        self.send(struct.pack(">I", kind))
        if kind not in self.kinds:
            raise Refused("no such kind")
        assert self.u8() == 1
        self.sock = tls(self.sock, self.ca, self.cert)
        return VNC_AUTH if self.password else NONE

    # -- pictures --

    def ask(self, incremental=False):
        self.send(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def resize(self, w, h):
        if (w, h) != (self.width, self.height):
            self.width, self.height = w, h
            self.pixels = bytearray(w * h * 4)

    def rectangle(self):
        x, y, w, h = (self.u16() for _ in range(4))
        encoding = self.i32()
        if encoding == RAW:
            data = self.read(w * h * 4)
            for row in range(h):
                at = ((y + row) * self.width + x) * 4
                self.pixels[at:at + w * 4] = data[row * w * 4:(row + 1) * w * 4]
        elif encoding == DESKTOP_SIZE:
            self.resize(w, h)
        elif encoding == EXTENDED_DESKTOP_SIZE:
            self.read(16 * self.u8() + 3)
            self.resize(w, h)
        elif encoding == EXTENDED_KEY:
            self.extended_key = True
        else:
            raise AssertionError("encoding %d" % encoding)
        return encoding, x, y, w, h

    def update(self):
        """The next update's rectangles; what says only that an encoding is known is none."""
        while True:
            kind = self.u8()
            assert kind == 0, "message %d" % kind
            self.read(1)
            rectangles = [self.rectangle() for _ in range(self.u16())]
            if any(r[0] != EXTENDED_KEY for r in rectangles):
                return rectangles

    def picture(self):
        """The whole picture; its size may come before it, and does each time that all is asked for."""
        self.ask()
        while not any(r[0] == RAW for r in self.update()):
            self.ask(True)

    def pixel(self, x, y):
        return struct.unpack_from("<I", self.pixels, (y * self.width + x) * 4)[0] & 0xffffff

    # -- input --

    def key(self, keysym, down):
        self.send(struct.pack(">BBxxI", 4, down, keysym))

    def scan_code(self, code, keysym, down):
        self.send(struct.pack(">BBHII", 255, 0, down, keysym, code))

    def pointer(self, x, y, buttons=0):
        self.send(struct.pack(">BBHH", 5, buttons, x, y))

    def close(self):
        self.sock.close()
