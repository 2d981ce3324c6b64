#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vmctl with a daemon and fake-vm behind it: vmctl-test.py VMMD FAKE-VM VMCTL"""

import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "lib"))
from daemon import Daemon, DEADLINE, contains, equal, process_exists, run_tests, wait_for  # noqa: E402
from vmctl import Terminal, ok, remember, vmctl  # noqa: E402


# ---- without a daemon ----

def test_no_daemon(d):
    r = vmctl(d, "list", socket="/nowhere/vmmd.sock")
    equal(r.status, 3)
    contains(r.err, "no daemon answers at /nowhere/vmmd.sock")
    contains(r.err, "systemctl start vmmd.socket")
    r = vmctl(d, "console", "a", socket="/nowhere/vmmd.sock")
    equal(r.status, 3)


def test_help(d):
    commands = re.findall(r"^  (\w+)  ", ok(d, "help").split("Options:")[0], re.M)
    equal(set(commands), {"run", "define", "console", "api", "info", "list", "get", "delete", "start", "shutdown",
                          "stop", "reset", "pause", "resume", "help"})
    equal(len(commands), len(set(commands)))
    for command in commands:
        if command != "help":
            out = ok(d, "help", command)
            contains(out, "usage: vmctl " + command)
            equal(ok(d, command, "--help"), out)
    contains(ok(d, "help", "shutdown"), "--deadline VALUE")
    contains(ok(d, "help", "start"), "default 60")
    contains(ok(d, "--version"), "vmctl ")


def test_wrong_command_lines(d):
    for args, words in [([], "usage:"), (["nope"], "no command nope"), (["help", "nope"], "no command nope"),
                        (["start"], "NAME is missing"), (["start", "a", "b"], "one argument too many"),
                        (["start", "a", "--x"], "no option --x"), (["start", "a", "--timeout"], "needs VALUE"),
                        (["shutdown", "a", "--wait=1"], "takes no value"), (["--format", "xml", "list"], "table or json"),
                        (["define"], "an argument is missing"), (["console", "a", "b"], "too many"),
                        (["api", "vm.list", "{"], "not valid JSON"), (["run"], "an image or --kernel is missing"),
                        (["run", "a", "b"], "one image too many"), (["run", "a", "--net", "x"], "user or none"),
                        (["run", "a", "--forward", "80"], "tcp:8080:80"), (["run", "a", "--disk", "b,x=1"], "a key of a disk"),
                        (["run", "a", "--net", "none", "--forward", "tcp:1:2"], "needs --net user"),
                        (["run", "a", "--rm", "--detach"], "--rm needs")]:
        r = vmctl(d, *args)
        equal((args, r.status), (args, 2))
        contains(r.out + r.err, words)


# ---- operations ----

def test_operations(d):
    d.start()
    spec = {"name": "a", "memory": {"size": "2G"}, "serials": [{"chardev": {"type": "socket"}}]}
    equal(ok(d, "define", "-", stdin=json.dumps(spec).encode()), "a defined\n")
    contains(ok(d, "list"), "a     stopped  -    1     2G")
    equal(ok(d, "start", "a"), "a running\n")
    equal(ok(d, "pause", "a"), "a paused: by request\n")
    equal(ok(d, "resume", "a"), "a running\n")
    equal(ok(d, "reset", "a"), "a running\n")
    contains(ok(d, "get", "a"), "    size: 2G\n")
    equal(ok(d, "shutdown", "a", "--wait", "--deadline=30"), "a stopped: the guest powered off\n")
    equal(ok(d, "start", "a", "--timeout", "30"), "a running\n")
    equal(ok(d, "stop", "a"), "a stopped: stopped from outside\n")
    equal(ok(d, "delete", "a"), "")
    equal(ok(d, "list"), "NAME\n")
    contains(ok(d, "info"), "accel-reason: /dev/kvm")


def test_json(d):
    d.start()
    d.define("a")
    equal(json.loads(ok(d, "list", "--format", "json"))["vms"][0]["name"], "a")
    equal(json.loads(ok(d, "--format=json", "start", "a"))["state"], "running")
    equal(json.loads(ok(d, "api", "vm.get", '["a"]'))["name"], "a")
    equal(json.loads(ok(d, "api", "vm.stop", '{"name": "a"}'))["state"], "stopped")
    equal(ok(d, "api", "vm.delete", '{"name": "a"}'), "null\n")
    # What get shows can be defined again.
    d.define("b")
    vm = json.loads(ok(d, "get", "b", "--format=json"))
    ok(d, "delete", "b")
    ok(d, "define", "-", stdin=json.dumps(vm["spec"]).encode())
    equal(d.vm("b"), vm)


def test_refusals(d):
    d.start()
    d.define("a")
    for args, words in [(["start", "b"], "there is no VM called b"), (["stop", "a"], "a does not run"),
                        (["start", "a", "--timeout=x"], "/timeout: must be an integer"),
                        (["console", "a"], "a does not run"), (["console", "b"], "there is no VM called b"),
                        (["define", "/nowhere"], "No such file"), (["api", "vm.nope"], "no method 'vm.nope'"),
                        (["start", "--", "--x"], "there is no VM called --x")]:
        r = vmctl(d, *args)
        equal((args, r.status), (args, 1))
        contains(r.err, words)
        equal(r.out, "")
    r = vmctl(d, "define", "-", stdin=b'{"name": "x", "disks": [{"file": "/f", "cache": "x"}]}')
    contains(r.err, "vmctl: /disks/0/cache: must be one of none, writeback, writethrough, unsafe, not 'x'")


def test_escapes_are_not_obeyed(d):
    d.start()
    d.define("rude", habit="rude")
    r = vmctl(d, "start", "rude")
    equal(r.status, 1)
    contains(r.err, "\\x1b[2Jrude")
    assert "\x1b" not in r.err + ok(d, "list") + ok(d, "get", "rude")


# ---- run ----

def image(d):
    path = os.path.join(d.dir, "disk image")
    with open(path, "w") as f:
        f.write("boot sector\n")
    return path


def test_run(d):
    d.start()
    disk = image(d)
    r = vmctl(d, "run", "disk image", "--name", "a", "--memory", "64M", "--cpus=2", "--disk", disk + ",readonly=true",
              "--forward", "tcp:8080:80", "--append", "x", "--kernel", disk, stdin=b"disk\npoweroff\n", cwd=d.dir)
    equal((r.status, r.err.strip()), (0, "a has ended: the guest powered off"))
    contains(r.out, "guest of a is up\r\n")
    contains(r.out, "boot sector\n")
    spec = d.vm("a")["spec"]
    equal((spec["memory"]["size"], spec["cpus"]["count"]), (64 << 20, 2))
    equal([(f["file"], f["readonly"], f["bootindex"]) for f in spec["disks"]],
          [(disk, False, 1), (disk, True, 0)])
    equal((spec["boot"]["kernel"], spec["boot"]["cmdline"]), (disk, "x"))
    equal(spec["nics"][0]["backend"]["forwards"], [{"protocol": "tcp", "host-port": 8080, "guest-port": 80}])


def test_run_rm_and_crash(d):
    d.start()
    r = vmctl(d, "run", image(d), "--rm", "--net=none", stdin=b"panic\n")
    equal(r.status, 4)
    contains(r.err, "has ended: the guest panicked")
    equal(d.ok("GET", "/v1/vms"), {"vms": []})


def test_run_of_a_guest_that_ends_at_once(d):
    """Whether or not its console was reached in time."""
    d.start()
    for _ in range(20):
        r = vmctl(d, "run", "--kernel", image(d), "--append", "brief", "--name", "a", "--rm")
        equal((r.status, r.err.strip()), (0, "a has ended: the guest powered off"))
        equal(d.ok("GET", "/v1/vms"), {"vms": []})


def test_run_detach(d):
    d.start()
    name = ok(d, "run", image(d), "--detach").strip()
    vm = d.vm(name)
    equal((vm["state"], vm["memory"]), ("running", 1 << 30))
    equal(len(vm["spec"]["nics"]), 1)


def test_run_that_fails(d):
    d.start()
    r = vmctl(d, "run", "/nowhere/disk.img", "--name", "a")
    equal(r.status, 1)
    contains(r.err, "cannot start a: /disks/0/file: cannot open /nowhere/disk.img: No such file or directory")
    equal(d.ok("GET", "/v1/vms"), {"vms": []})
    d.define("a")
    contains(vmctl(d, "run", image(d), "--name", "a").err, "there is a VM called a already")
    equal(d.vm("a")["state"], "stopped")


# ---- the console on a terminal ----

def test_console(d):
    d.start()
    d.define("a")
    ok(d, "start", "a")
    t = Terminal(d, "console", "a")
    t.expect(b"Ctrl-] leaves")
    t.expect(b"guest of a is up")
    wait_for("a raw terminal", t.is_raw)
    t.type(b"hello\r")
    t.expect(b"hello\r\n")
    t.type(b"\x03\x1a\x1cinterrupts are the guest's\r")
    t.expect(b"interrupts are the guest's\r\n")
    t.type(b"last\r\x1d")
    equal(t.end(), 0)
    contains(t.seen, b"Left the console of a; it runs on.")
    equal(d.vm("a")["state"], "running")
    # What was typed before Ctrl-] has reached the guest, and its history is shown to who comes next.
    t = Terminal(d, "console", "a")
    t.expect(b"last\r\n")
    contains(t.seen, b"guest of a is up")
    t.type(b"\x1d")
    equal(t.end(), 0)


def test_console_ends(d):
    d.start()
    d.define("a")
    for line, status, words in [(b"poweroff\r", 0, b"a has ended: the guest powered off"),
                                (b"panic\r", 4, b"a has ended: the guest panicked"),
                                (b"abort\r", 4, b"a has ended: its process ended")]:
        ok(d, "start", "a")
        t = Terminal(d, "console", "a")
        t.expect(b"is up")
        t.type(line)
        equal(t.end(), status)
        contains(t.seen, words)


def test_console_is_told_to_end(d):
    d.start()
    d.define("a")
    ok(d, "start", "a")
    for sig in (signal.SIGTERM, signal.SIGHUP):
        t = Terminal(d, "console", "a")
        t.expect(b"is up")
        wait_for("a raw terminal", t.is_raw)
        t.process.send_signal(sig)
        equal(t.end(), 1)
    equal(d.vm("a")["state"], "running")


def test_console_loses_the_daemon(d):
    d.start()
    d.define("a")
    ok(d, "start", "a")
    pid = d.vm("a")["pid"]
    t = Terminal(d, "console", "a")
    t.expect(b"is up")
    d.kill()
    equal(t.end(), 1)
    contains(t.seen, b"The daemon has closed the console")
    assert process_exists(pid)


def test_run_on_a_terminal(d):
    d.start()
    t = Terminal(d, "run", image(d), "--name", "a", "--rm")
    t.expect(b"guest of a is up")
    t.type(b"\x1d")
    equal(t.end(), 0)
    remember(d)
    equal(d.vm("a")["state"], "running")
    d.act("a", "stop")
    t = Terminal(d, "run", image(d), "--name", "b", "--rm")
    t.expect(b"guest of b is up")
    remember(d)
    d.act("b", "stop")
    equal(t.end(), 0)
    d.refused("GET", "/v1/vms/b", status=404)


def test_much_output(d):
    d.start()
    d.define("a")
    ok(d, "start", "a")
    t = Terminal(d, "console", "a")
    t.expect(b"is up")
    t.type(b"flood\r")
    t.expect(b"end of flood\n")
    t.type(b"poweroff\r")
    equal(t.end(), 0)


def test_progress(d):
    d.start()
    d.define("mute", habit="mute")
    t = Terminal(d, "start", "mute")
    t.expect("start mute … 1 s".encode())
    remember(d)
    d.act("mute", "stop")
    equal(t.end(), 1)
    contains(t.seen, b"cannot start mute: it was stopped")
    # Programs are not told.
    result = []
    p = subprocess.Popen([d.vmctl, "--socket", d.socket, "start", "mute"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    began = time.monotonic()
    wait_for("more than a second", lambda: time.monotonic() - began > 1.5)
    remember(d)
    d.act("mute", "stop")
    result = p.communicate(timeout=DEADLINE)
    equal(result, (b"", b"vmctl: cannot start mute: it was stopped\n"))


def main():
    tests = [f for n, f in globals().items() if n.startswith("test_")]
    if len(sys.argv) > 4:
        tests = [f for f in tests if f.__name__ in sys.argv[4:]]
    return run_tests(tests, lambda: Daemon(*sys.argv[1:4]))


if __name__ == "__main__":
    sys.exit(main())
