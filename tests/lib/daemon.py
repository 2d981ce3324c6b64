# SPDX-License-Identifier: GPL-2.0-or-later
"""A vmmd under test, clients for it, and TAP: shared by the tests of the daemon and of vmctl."""

import base64
import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

DEADLINE = 20  # s, for anything that a test waits for
CLONE_NEWNS = 0x20000  # <linux/sched.h>


def wait_for(what, condition):
    """The first true value of condition(); fails when none comes in time."""
    end = time.monotonic() + DEADLINE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.01)


def equal(got, want):
    if got != want:
        raise AssertionError("got %r, not %r" % (got, want))


def contains(text, part):
    if part not in text:
        raise AssertionError("%r is not in %r" % (part, text))


class Skip(Exception):
    """This host cannot run the test; the text says why."""


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Connection:
    """One HTTP connection over a Unix socket, byte by byte if need be."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(path)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def receive(self):
        line = self.file.readline()
        if not line:
            raise EOFError("the connection was closed")
        status = int(line.split()[1])
        headers = {}
        while True:
            line = self.file.readline().strip()
            if not line:
                break
            key, _, value = line.partition(b":")
            headers[key.decode().lower()] = value.strip().decode()
        body = self.file.read(int(headers.get("content-length", 0)))
        return Reply(status, headers, body)


class WebSocket:
    """Just enough of RFC 6455 for a client of the console."""

    def __init__(self, path, url):
        self.conn = Connection(path)
        key = base64.b64encode(os.urandom(16)).decode()
        self.conn.send(("GET %s HTTP/1.1\r\nHost: vmmd\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n" % (url, key)).encode())
        self.reply = self.conn.receive()
        self.heard = b""
        self.closed = None  # (code, reason)

    def close(self):
        self.conn.close()

    def send(self, data, opcode=2):
        mask = os.urandom(4)
        n = len(data)
        head = bytes([0x80 | opcode])
        if n < 126:
            head += bytes([0x80 | n])
        elif n < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", n)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", n)
        self.conn.send(head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(data)))

    def receive(self):
        """Takes one frame; False at the end."""
        head = self.conn.file.read(2)
        if len(head) < 2:
            return False
        opcode, n = head[0] & 15, head[1] & 127
        if n == 126:
            n = struct.unpack(">H", self.conn.file.read(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.conn.file.read(8))[0]
        data = self.conn.file.read(n)
        if opcode == 8:
            self.closed = (struct.unpack(">H", data[:2])[0] if n >= 2 else 0, data[2:].decode())
            self.send(data, 8)
            return False
        self.heard += data
        return True

    def expect(self, part):
        while part not in self.heard:
            if not self.receive():
                raise AssertionError("the console ended with %r, without %r" % (self.heard[-200:], part))

    def expect_close(self):
        while self.receive():
            pass
        return self.closed


class Daemon:
    """A vmmd with folders of its own. Everything it started has ended when stop() returns."""

    def __init__(self, vmmd, vmm, vmctl=""):
        self.vmmd, self.vmm, self.vmctl = (os.path.realpath(path) for path in (vmmd, vmm, vmctl))
        self.dir = tempfile.mkdtemp(prefix="vmmd-test-")
        self.socket = os.path.join(self.dir, "vmmd.sock")
        self.rpc_socket = os.path.join(self.dir, "rpc.sock")
        self.state, self.run = os.path.join(self.dir, "state"), os.path.join(self.dir, "run")
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.process = None
        self.pids, self.mounts = set(), []
        self.request_timeout = 2

    def start(self, *wrapper, wait=True):
        """By way of a wrapper, a command that becomes the one that follows it."""
        self.process = subprocess.Popen(
            [*wrapper, self.vmmd, "--socket", self.socket, "--state-dir", self.state, "--run-dir", self.run,
             "--vmm", self.vmm, "--request-timeout", str(self.request_timeout), "--stop-timeout", "2", "--verbose"],
            stdin=subprocess.DEVNULL, stderr=self.log)
        if wait:
            wait_for("the daemon to serve", self.serves)

    def serves(self):
        if self.process.poll() is not None:
            raise AssertionError("vmmd has ended: " + self.read_log())
        try:
            Connection(self.socket).close()
            return True
        except OSError:
            return False

    def small_folder(self, path, size):
        """Makes a folder on a file system of its own, of so many bytes, that only this test sees."""
        own_mounts()
        os.mkdir(path)
        subprocess.check_call(["mount", "-t", "tmpfs", "-o", "size=%d" % size, "vmmd-test", path])
        self.mounts.append(path)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self):
        self.process.terminate()
        equal(self.process.wait(DEADLINE), 0)

    def read_log(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def alive(self):
        return self.process.poll() is None

    def request(self, method, path, body=None, headers=""):
        conn = Connection(self.socket)
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        conn.send(("%s %s HTTP/1.1\r\nHost: vmmd\r\nContent-Length: %d\r\n%s\r\n" %
                   (method, path, len(data), headers)).encode() + data)
        reply = conn.receive()
        conn.close()
        if reply.status == 200 and b'"pid":' in reply.body and "pid" in reply.json and reply.json["pid"]:
            self.pids.add(reply.json["pid"])
        return reply

    def ok(self, method, path, body=None, status=200):
        reply = self.request(method, path, body)
        if reply.status != status:
            raise AssertionError("%s %s: %d %s" % (method, path, reply.status, reply.body))
        return reply.json if reply.body else None

    def refused(self, method, path, body=None, status=400):
        reply = self.request(method, path, body)
        if reply.status != status:
            raise AssertionError("%s %s: %d %s" % (method, path, reply.status, reply.body))
        return reply.json["error"]

    def define(self, name, habit=None, **more):
        spec = {"name": name, "accel": "qtest", "serials": [{"chardev": {"type": "socket"}}], **more}
        if habit:
            spec["fw-cfg"] = [{"name": "opt/fake", "string": habit}]
        return self.ok("POST", "/v1/vms", spec, 201)

    def vm(self, name):
        return self.ok("GET", "/v1/vms/" + name)

    def act(self, name, verb, body=None):
        return self.ok("POST", "/v1/vms/%s/%s" % (name, verb), body)

    def wait_state(self, name, state):
        return wait_for("%s to be %s" % (name, state),
                        lambda: (lambda vm: vm if vm["state"] == state else None)(self.vm(name)))

    def console(self, name):
        return WebSocket(self.socket, "/v1/vms/%s/console" % name)

    def stop(self):
        if self.process and self.alive():
            self.kill()
        for pid in self.pids:
            try:
                if os.readlink("/proc/%d/exe" % pid) == os.path.realpath(self.vmm):
                    os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass
        self.log.close()
        for path in self.mounts:
            subprocess.check_call(["umount", "--lazy", path])
        shutil.rmtree(self.dir)


def own_mounts():
    """From here on nobody else sees what this test mounts, and nothing of it stays."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise Skip("no mount name space: " + os.strerror(ctypes.get_errno()))
    subprocess.check_call(["mount", "--make-rprivate", "/"])


def without_kvm(d):
    """Starts the daemon where /dev/kvm cannot be used, once for each cause; yields words that tell it."""
    own_mounts()
    os.chmod(d.dir, 0o777)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for node, user, words in [
            ("", [], "/dev/kvm is not there: load the module kvm_intel or kvm_amd"),
            ("mknod -m 666 /dev/kvm c 10 254;", [], "/dev/kvm has no hypervisor behind it"),
            ("mknod -m 660 /dev/kvm c 10 232;", nobody, "no permission to open /dev/kvm"),
            ("mknod -m 666 /dev/kvm c 1 3;", [], "/dev/kvm does not answer as KVM")]:
        for folder in (d.state, d.run):
            shutil.rmtree(folder, ignore_errors=True)
        dev = "mount -t tmpfs vmmd-test /dev; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9; %s"
        d.start("unshare", "--mount", "sh", "-ec", dev % node + 'exec "$@"', "sh", *user)
        yield words
        d.kill()


def fill(folder):
    """Leaves no room there; the name of what takes it."""
    path = os.path.join(folder, "filler")
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError as e:
            equal(e.errno, errno.ENOSPC)
    return path


def process_exists(pid):
    """Running, not a zombie."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def run_tests(tests, make_daemon):
    """Runs functions of a Daemon, each with a new one, as TAP."""
    print("1..%d" % len(tests))
    failed = False
    for number, test in enumerate(tests, 1):
        daemon = make_daemon()
        name = test.__name__.removeprefix("test_").replace("_", "-")
        try:
            test(daemon)
            print("ok %d %s" % (number, name))
        except Skip as why:
            print("ok %d %s # SKIP %s" % (number, name, why))
        except Exception:
            failed = True
            print("not ok %d %s" % (number, name))
            for line in (traceback.format_exc() + daemon.read_log()[-4000:]).splitlines():
                print("# " + line)
        finally:
            daemon.stop()
        sys.stdout.flush()
    return 1 if failed else 0
