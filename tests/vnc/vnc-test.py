#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vmmd-vnc with an engine that a test plays and clients of every kind: vnc-test.py VNC-HOST VMMD-VNC"""

import os
import queue
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import client as vnc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import png  # noqa: E402

DEADLINE = 30
HOST, HELPER = sys.argv[1:3]


def equal(a, b):
    assert a == b, "%r is not %r" % (a, b)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Host:
    """vnc-host: a display, input, and the helper."""

    def __init__(self, **options):
        self.dir = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.dir.name, "vnc")
        args = ["unix=" + self.path] + ["%s=%s" % o for o in options.items()]
        self.process = subprocess.Popen([HOST, HELPER] + args, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        self.first = self.line()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def line(self):
        return self.lines.get(timeout=DEADLINE)

    def tell(self, line, answer=None):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        if answer:
            equal(self.line(), answer)

    def expect(self, *lines):
        for line in lines:
            equal(self.line(), line)

    def clients(self, n):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            self.tell("clients")
            if self.line() == "clients %d" % n:
                return
            time.sleep(0.02)
        raise AssertionError("there are not %d clients" % n)

    def client(self, **options):
        return vnc.Client(vnc.connect_unix(self.path), **options)

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(DEADLINE)
        self.process.stdout.close()
        self.dir.cleanup()
        equal(code, 0)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind:
            self.process.kill()
            self.process.wait()
        else:
            self.close()


def noise(x, y):
    return (x * 7 + y * 131) * 0x010305 & 0xffffff


def wait_update(c, done):
    end = time.monotonic() + DEADLINE
    while not done():
        assert time.monotonic() < end
        c.ask(True)
        c.update()


# ---- pictures ----

def test_picture():
    with Host() as h:
        equal(h.first, "ready")
        h.tell("size 320 200", "size 0")
        h.tell("noise", "noise")
        c = h.client()
        equal((c.width, c.height, c.name, c.types), (320, 200, "test", [vnc.NONE]))
        c.picture()
        for x, y in [(0, 0), (319, 0), (0, 199), (319, 199), (17, 123)]:
            equal(c.pixel(x, y), noise(x, y))
        # what changes comes, and only that
        h.tell("fill 0 0 1 1 1")
        wait_update(c, lambda: c.pixel(0, 0) == 1)
        h.tell("fill 10 20 30 40 ff8001")
        area = 0
        while c.pixel(10, 20) != 0xff8001:
            c.ask(True)
            area += sum(a[3] * a[4] for a in c.update() if a[1:] != (0, 0, 1, 1))
        equal(area, 1200)
        equal((c.pixel(10, 20), c.pixel(39, 59), c.pixel(40, 59)), (0xff8001, 0xff8001, noise(40, 59)))
        c.close()


def test_resize():
    with Host() as h:
        c = h.client()
        equal((c.width, c.height), (640, 480))
        c.picture()
        h.tell("size 800 600", "size 0")
        h.tell("noise", "noise")
        wait_update(c, lambda: (c.width, c.height) == (800, 600) and c.pixel(799, 599) == noise(799, 599))
        h.tell("size 24 17", "size 0")
        wait_update(c, lambda: (c.width, c.height) == (24, 17))
        c.close()


def test_many_rectangles():
    with Host() as h:
        h.tell("size 200 200", "size 0")
        c = h.client()
        c.picture()
        for i in range(100):
            h.tell("fill %d %d 1 1 %x" % (i * 2, i * 2, i + 1))
        wait_update(c, lambda: all(c.pixel(i * 2, i * 2) == i + 1 for i in range(100)))
        c.close()


def test_several_clients():
    with Host() as h:
        h.tell("size 64 64", "size 0")
        h.tell("noise", "noise")
        clients = [h.client() for _ in range(4)]
        h.clients(4)
        for c in clients:
            c.picture()
            equal(c.pixel(63, 63), noise(63, 63))
        # one that wants to be alone ends the others
        alone = h.client(shared=False)
        h.clients(1)
        alone.picture()
        alone.close()
        h.clients(0)


def test_share_policies():
    with Host(share=2) as h:
        first = h.client()
        second = h.client(shared=False)
        second.picture()
        h.clients(2)
        first.close()
        second.close()
    with Host(share=1) as h:
        first = h.client()
        refused(lambda: h.client(shared=False).update())
        first.picture()
        first.close()


def test_too_many_clients():
    with Host() as h:
        clients = [h.client() for _ in range(16)]
        refused(lambda: h.client())
        for c in clients:
            c.close()
        h.clients(0)
        h.client().close()


# ---- input ----

def test_keys():
    with Host() as h:
        c = h.client()
        for keysym in (ord("a"), ord("A"), ord("%"), 0xff0d, 0xffe1, 0xff13, 0xff61, 0xffbe, 0xffab, 0xfe03):
            c.key(keysym, True)
            c.key(keysym, False)
        for code in (30, 30, 6, 28, 42, 119, 99, 59, 78, 100):
            h.expect("key %d 1" % code, "key %d 0" % code)
        c.key(0x1234, True)
        # what was down is up when the client has gone
        c.key(ord("q"), True)
        c.key(0xffe3, True)
        h.expect("key 16 1", "key 29 1")
        c.close()
        equal(sorted([h.line(), h.line()]), ["key 16 0", "key 29 0"])


def test_extended_keys():
    with Host() as h:
        c = h.client()
        c.picture()
        assert c.extended_key
        c.scan_code(0x1e, ord("q"), True)
        c.scan_code(0x9c, 0, True)
        c.scan_code(0x7f, ord("b"), True)
        h.expect("key 30 1", "key 96 1", "key 48 1")
        c.send(struct.pack(">BBHII", 255, 77, 0, 0, 0))
        equal(sorted([h.line(), h.line(), h.line()]), ["key 30 0", "key 48 0", "key 96 0"])
        c.close()


def test_pointer():
    with Host() as h:
        h.tell("size 101 51", "size 0")
        c = h.client()
        c.pointer(10, 20)
        c.pointer(15, 18, 1)
        c.pointer(15, 18, 1 | 4)
        c.pointer(15, 18, 8)
        c.pointer(15, 18, 16)
        c.pointer(15, 18, 2)
        c.pointer(15, 18, 0)
        h.expect("rel 10 20 0 0", "rel 5 -2 0 1", "rel 0 0 0 3", "rel 0 0 1 0", "rel 0 0 -1 0",
                 "rel 0 0 0 4", "rel 0 0 0 0")
        h.tell("absolute")
        h.clients(1)
        c.pointer(100, 50)
        c.pointer(50, 25, 1)
        c.pointer(60000, 60000)
        h.expect("abs 32767 32767 0 0", "abs 16383 16383 0 1", "abs 32767 32767 0 0")
        c.close()


# ---- security ----

def refused(f):
    try:
        f()
    except (vnc.Refused, OSError):
        return
    raise AssertionError("was not refused")


def test_password():
    with Host(password="secret") as h:
        c = h.client(password="secret")
        equal(c.types, [vnc.VNC_AUTH])
        c.picture()
        refused(lambda: h.client(password="secreT"))
        refused(lambda: h.client(password=""))
        refused(lambda: h.client(security=vnc.NONE, password="secret"))
        refused(lambda: h.client(security=vnc.VENCRYPT, password="secret"))
        h.tell("password other", "password 0")
        refused(lambda: h.client(password="secret"))
        h.client(password="other").close()
        h.tell("password", "password 0")
        refused(lambda: h.client(password="other"))
        refused(lambda: h.client(password=""))
        h.tell("password longerthan8", "password -22")
        # who was in stays in
        c.picture()
        c.close()


def certificates(folder):
    def run(*args):
        subprocess.run(["openssl"] + list(args), check=True, stderr=subprocess.DEVNULL, cwd=folder)

    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("server", "user"):
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
        run("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-out", name + ".pem")
    return {n: os.path.join(folder, n) for n in os.listdir(folder)}


def test_vencrypt():
    with tempfile.TemporaryDirectory() as folder:
        f = certificates(folder)
        keys = dict(cert=f["server.pem"], key=f["server.key"])
        with Host(**keys) as h:
            h.tell("size 1024 768", "size 0")
            h.tell("noise", "noise")
            c = h.client(security=vnc.VENCRYPT, ca=f["ca.pem"])
            equal(c.kinds, [vnc.X509_NONE])
            c.picture()
            for x, y in [(0, 0), (1023, 767), (511, 300)]:
                equal(c.pixel(x, y), noise(x, y))
            c.key(ord("x"), True)
            h.expect("key 45 1")
            # not without TLS
            refused(lambda: h.client(security=vnc.NONE))
            refused(lambda: h.client(security=vnc.VNC_AUTH, password="x"))
            c.close()
        with Host(password="secret", **keys) as h:
            c = h.client(security=vnc.VENCRYPT, ca=f["ca.pem"], password="secret")
            equal(c.kinds, [vnc.X509_VNC])
            c.picture()
            c.close()
            refused(lambda: h.client(security=vnc.VENCRYPT, ca=f["ca.pem"], password="wrong"))
            refused(lambda: h.client(password="secret"))
        # clients that must show who they are
        with Host(ca=f["ca.pem"], **keys) as h:
            h.client(security=vnc.VENCRYPT, cert=(f["user.pem"], f["user.key"])).close()
            refused(lambda: h.client(security=vnc.VENCRYPT).update())
        with Host(cert=f["ca.pem"], key=f["server.key"]) as h:
            assert h.first.startswith("error TLS certificate"), h.first
            h.process.wait(DEADLINE)
            h.close = lambda: None


def test_stalled_handshakes():
    """Clients that say nothing, or nonsense, hold up nobody."""
    with tempfile.TemporaryDirectory() as folder:
        f = certificates(folder)
        port = free_port()
        with Host(cert=f["server.pem"], key=f["server.key"], websocket=port) as h:
            silent = [vnc.connect_tcp(port) for _ in range(3)]
            stalled = vnc.connect_tcp(port)
            stalled.sendall(b"\x16\x03\x01\x02\x00\x01")
            begun = vnc.connect_unix(h.path)
            begun.sendall(b"RFB 003.008\n\x13\x00\x02\x00\x00\x01\x04")
            nonsense = vnc.connect_unix(h.path)
            nonsense.sendall(b"\x16" + os.urandom(1000))
            before = time.monotonic()
            c = h.client(security=vnc.VENCRYPT)
            c.picture()
            assert time.monotonic() - before < 5
            c.close()
            for s in silent + [stalled, begun, nonsense]:
                s.close()


# ---- transports ----

def test_tcp():
    port = free_port()
    with Host(port=port) as h:
        equal(h.first, "ready")
        c = vnc.Client(vnc.connect_tcp(port))
        c.picture()
        c.close()
        with Host(port=port) as taken:
            equal(taken.first, "error VNC cannot listen on 127.0.0.1:%d: Address already in use" % port)
            taken.process.wait(DEADLINE)
            taken.close = lambda: None


def test_websocket():
    port = free_port()
    with Host(websocket=port) as h:
        h.tell("size 64 64", "size 0")
        h.tell("noise", "noise")
        c = vnc.Client(vnc.WebSocket(vnc.connect_tcp(port)))
        c.picture()
        equal(c.pixel(63, 63), noise(63, 63))
        c.key(ord("a"), True)
        h.expect("key 30 1")
        c.close()


def test_secure_websocket():
    with tempfile.TemporaryDirectory() as folder:
        f = certificates(folder)
        port = free_port()
        with Host(websocket=port, password="pw", cert=f["server.pem"], key=f["server.key"]) as h:
            h.tell("size 64 64", "size 0")
            h.tell("noise", "noise")
            c = vnc.Client(vnc.WebSocket(vnc.tls(vnc.connect_tcp(port), f["ca.pem"])), password="pw")
            c.picture()
            equal(c.pixel(63, 63), noise(63, 63))
            c.close()
            refused(lambda: vnc.Client(vnc.WebSocket(vnc.connect_tcp(port)), password="pw"))


# ---- screenshots ----

def test_screenshot():
    with Host() as h:
        target = os.path.join(h.dir.name, "shot.png")
        h.tell("shot " + target, "shot -61")
        h.tell("size 97 31", "size 0")
        h.tell("noise", "noise")
        h.tell("shot " + target, "shot 0")
        with open(target, "rb") as f:
            width, height, rows = png.decode(f.read())
        equal((width, height), (97, 31))
        for y in range(height):
            equal(rows[y], b"".join(noise(x, y).to_bytes(3, "big") for x in range(width)))


def test_helper_killed():
    with Host() as h:
        h.tell("size 64 64", "size 0")
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(h.process.pid)], stdout=subprocess.PIPE,
                                  text=True).stdout.split()
        equal(len(children), 1)
        c = h.client()
        c.key(ord("a"), True)
        h.expect("key 30 1")
        os.kill(int(children[0]), 9)
        h.expect("key 30 0")
        h.tell("shot /nowhere", "shot -32")
        h.tell("password x", "password -32")
        h.tell("size 32 32", "size 0")


def main():
    tests = [(n[5:], f) for n, f in sorted(globals().items()) if n.startswith("test_")]
    print("1..%d" % len(tests))
    failed = 0
    for i, (name, f) in enumerate(tests, 1):
        try:
            f()
            print("ok %d %s" % (i, name), flush=True)
        except Exception as e:  # a test that fails in whatever way
            failed += 1
            print("not ok %d %s\n# %s: %s" % (i, name, type(e).__name__, e), flush=True)
            if os.environ.get("TRACE"):
                raise
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
