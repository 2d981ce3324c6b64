# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the VM process share: specs for the bench guest, its process, a control client, TAP."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

DEADLINE = 60  # s, for anything that a test waits for; a guest takes a second on an idle machine
MIB = 1 << 20


class Rig:
    """The programs under test and a directory that is gone afterwards."""

    def __init__(self, vmmd_vm, guest):
        self.vmmd_vm, self.guest = vmmd_vm, guest
        self.folder = tempfile.mkdtemp(prefix="vmmd-vm.")

    def path(self, name):
        return os.path.join(self.folder, name)

    def disk(self, name, size):
        with open(self.path(name), "wb") as f:
            f.truncate(size)
        return self.path(name)

    def spec(self, commands, **more):
        """A VM that runs commands of the bench guest (bench/guest/README.md)."""
        return {
            "name": "test",
            "memory": {"size": "128M"},
            "boot": {"kernel": self.guest, "cmdline": commands},
            "devices": [
                {"type": "isa-debugcon", "iobase": 0x402, "chardev": {"type": "stdio"}},
                {"type": "isa-debug-exit", "iobase": 0xf4},
            ],
            **more,
        }

    def start(self, spec, *options, **how):
        return Vm(self, spec, *options, **how)

    def run(self, spec, *options, timeout=DEADLINE):
        """To the end: what it printed, what it complained about, its status."""
        with Vm(self, spec, *options) as vm:
            vm.end(timeout)
            return vm

    def report(self, commands, **more):
        """The lines that the guest's commands print; fails when they did not all succeed."""
        vm = self.run(self.spec(commands, **more))
        assert vm.lines()[-1:] == ["done"], vm.everything()
        return vm.report()


class Vm:
    """A process of vmmd-vm. Its output goes to files: nobody has to read along."""

    def __init__(self, rig, spec, *options, control=False):
        self.rig = rig
        self.folder = tempfile.mkdtemp(dir=rig.folder)
        text = spec if isinstance(spec, str) else json.dumps(spec)
        with open(os.path.join(self.folder, "spec"), "w", encoding="utf-8") as f:
            f.write(text)
        self.control_path = os.path.join(self.folder, "control")
        if control:
            options += ("--control", self.control_path)
        self.out, self.err = (open(os.path.join(self.folder, n), "w+b") for n in ("out", "err"))
        self.process = subprocess.Popen(
            [rig.vmmd_vm, "--spec", os.path.join(self.folder, "spec"), *options],
            stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err)
        self.status = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.status = self.process.wait()

    def end(self, timeout=DEADLINE):
        """Waits for the process; its exit status."""
        try:
            self.status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {timeout} s\n{self.everything()}") from None
        return self.status

    @staticmethod
    def _content(file):
        return os.pread(file.fileno(), 64 * MIB, 0).decode(errors="replace")

    @property
    def output(self):
        return self._content(self.out)

    @property
    def complaints(self):
        return self._content(self.err)

    def everything(self):
        return f"status {self.process.poll()}\n{self.output}\n{self.complaints}"

    def lines(self):
        return self.output.splitlines()

    def report(self):
        return dict(line.split("=", 1) for line in self.lines() if "=" in line)

    def wait_output(self, text, times=1):
        def condition():
            if self.output.count(text) >= times:
                return True
            assert self.process.poll() is None, "it ended\n" + self.everything()
            return False
        wait_for(f"{text!r} from the guest\n", condition)

    def client(self):
        wait_for("the control socket", lambda: os.path.exists(self.control_path))
        return Client(self.control_path)


class Client:
    """JSON-RPC 2.0 on the control socket. Events that come between answers are kept."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        end = time.monotonic() + DEADLINE
        while True:
            try:
                self.socket.connect(path)
                break
            except (ConnectionRefusedError, BlockingIOError):  # not yet listening; many wait already
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
        self.stream = self.socket.makefile("rb")
        self.events = []
        self.id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        line = self.stream.readline()
        assert line.endswith(b"\n"), f"the connection ended: {line!r}"
        return json.loads(line)

    def request(self, method, **params):
        """Sends a request and returns its number."""
        self.id += 1
        message = {"jsonrpc": "2.0", "id": self.id, "method": method}
        if params:
            message["params"] = params
        self.send(json.dumps(message).encode() + b"\n")
        return self.id

    def answer(self, number):
        while True:
            message = self.receive()
            if message.get("id") == number:
                return message
            assert "method" in message, message
            self.events.append(message)

    def call(self, method, **params):
        message = self.answer(self.request(method, **params))
        assert "result" in message, message
        return message["result"]

    def error(self, method, **params):
        message = self.answer(self.request(method, **params))
        assert "error" in message, message
        return message["error"]

    def wait_event(self, name):
        """The parameters of the next such event, also of one that came before."""
        while True:
            for event in self.events:
                if event["method"] == "event." + name:
                    self.events.remove(event)
                    return event.get("params")
            message = self.receive()
            assert "method" in message, message
            self.events.append(message)

    def guest_errors(self):
        return sum(d["guest-errors"] for d in self.call("stats")["devices"])


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.01)


def equal(got, want):
    assert got == want, f"got {got!r}, not {want!r}"


def main(tests):
    """PROGRAM VMMD_VM BENCH_GUEST: runs the functions, named by their docstrings."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("1..0 # SKIP no /dev/kvm that this user may open")
        return 0  # with TAP the plan says it; Meson takes any other status for an error
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        rig = Rig(*sys.argv[1:3])
        try:
            begin = time.monotonic()
            test(rig)
            print(f"ok {number} - {test.__doc__} ({time.monotonic() - begin:.1f} s)", flush=True)
        except (AssertionError, OSError, LookupError, ValueError):
            failed += 1
            print(f"not ok {number} - {test.__doc__}")
            print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
        finally:
            shutil.rmtree(rig.folder)
    return 1 if failed else 0
