#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vmmd and vmctl with the real vmmd-vm: engine-test.py VMMD VMMD-VM VMCTL BENCH-GUEST

First a machine that nobody drives (accel qtest), then the bench guest under KVM (bench/guest/README.md).
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "lib"))
from daemon import (Daemon, Skip, contains, equal, process_exists, run_tests, wait_for,  # noqa: E402
                    without_kvm)
from vmctl import Terminal, ok, remember, vmctl  # noqa: E402

MIB = 1 << 20
GUEST = os.path.realpath(sys.argv[4])
WRITE = "blk-write n=512 qd=8 bytes=65536 order=seq verify=yes errors=count"  # 32 MiB
READ = WRITE.replace("write", "read")


def image(d):
    path = os.path.join(d.dir, "disk.img")
    with open(path, "wb") as f:
        f.truncate(1 << 20)
    return path


def test_life(d):
    d.start()
    d.define("a", memory={"size": "64M"}, cpus={"count": 2}, disks=[{"file": image(d)}], nics=[{}], rng={},
             consoles=[{"chardev": {"type": "socket"}}])
    vm = d.act("a", "start")
    equal(vm["state"], "running")
    equal(d.act("a", "pause")["state"], "paused")
    equal(d.act("a", "resume")["state"], "running")
    equal(d.act("a", "reset")["state"], "running")
    d.act("a", "shutdown")
    stopped = d.act("a", "stop")
    equal((stopped["state"], stopped["reason"]), ("stopped", "stopped from outside"))
    assert not process_exists(vm["pid"])


def test_outlives_the_daemon(d):
    d.start()
    d.define("a")
    pid = d.act("a", "start")["pid"]
    d.act("a", "pause")
    d.kill()
    assert process_exists(pid)
    d.start()
    equal((d.vm("a")["state"], d.vm("a")["pid"]), ("paused", pid))
    equal(d.act("a", "resume")["state"], "running")
    equal(d.act("a", "stop")["state"], "stopped")
    d.kill()
    d.start()
    equal(d.vm("a")["reason"], "stopped from outside")


def test_console(d):
    d.start()
    d.define("a")
    d.act("a", "start")
    ws = [d.console("a") for _ in range(2)]
    equal([w.reply.status for w in ws], [101, 101])
    d.act("a", "stop")
    for w in ws:
        equal(w.expect_close(), (1000, "stopped from outside"))


def test_starts_that_fail(d):
    d.start()
    text = os.path.join(d.dir, "text")
    with open(text, "w") as f:
        f.write("this is no kernel")
    d.define("kernel", boot={"kernel": text})
    error = d.refused("POST", "/v1/vms/kernel/start", status=500)
    contains(error["message"], "cannot start kernel: ")
    contains(error["message"], "neither a Linux bzImage nor an ELF file")
    d.define("device", devices=[{"type": "warp-drive"}])
    contains(d.refused("POST", "/v1/vms/device/start", status=500)["message"], "warp-drive")
    equal(d.vm("device")["state"], "stopped")


def test_crash(d):
    d.start()
    d.define("a")
    pid = d.act("a", "start")["pid"]
    os.kill(pid, 9)
    contains(d.wait_state("a", "crashed")["reason"], "by signal 9")
    equal(d.act("a", "start")["state"], "running")


# ---- the bench guest under KVM ----

def need_kvm():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("no /dev/kvm that this user may open")


def disk(d, name="disk.img", size=32 * MIB):
    path = os.path.join(d.dir, name)
    with open(path, "wb") as f:
        f.truncate(size)
    return path


def define_guest(d, commands, **more):
    """A VM whose guest runs the commands and tells the first serial port about it."""
    need_kvm()
    return d.define("a", accel="kvm", memory={"size": "128M"}, boot={"kernel": GUEST, "cmdline": "serial; " + commands},
                    devices=[{"type": "isa-debug-exit", "iobase": 0xf4}], **more)


def stats(d):
    """The counters of the VM process, asked for while there may be no daemon."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(os.path.join(d.run, "vms", "a", "control.sock"))
        s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"stats"}\n')
        with s.makefile("rb") as replies:
            return json.loads(replies.readline())["result"]


def reads(d):
    return stats(d)["disks"][0]["reads"]


def expect_again(ws, part, times):
    while ws.heard.count(part) < times:
        assert ws.receive(), ws.heard


def report(ws):
    """The last value of each key."""
    return dict(re.findall(r"^(\S+)=(\S*)\r?$", ws.heard.decode(), re.M))


def test_guest(d):
    """All of a guest's life by the API, its console beside it."""
    d.start()
    define_guest(d, "tsc; halt")
    pid = d.act("a", "start")["pid"]
    ws = d.console("a")
    ws.expect(b"halted")
    contains(report(ws), "tsc_khz")
    equal(d.act("a", "pause")["state"], "paused")
    equal(d.act("a", "reset")["state"], "paused")
    equal(d.act("a", "resume")["state"], "running")
    expect_again(ws, b"halted", 2)
    d.act("a", "reset")
    expect_again(ws, b"halted", 3)
    # This guest has no ear for the power button.
    vm = d.act("a", "shutdown", {"deadline": 1, "wait": True})
    equal((vm["state"], vm["reason"]), ("stopped", "stopped from outside"))
    equal(ws.expect_close(), (1000, "stopped from outside"))
    assert not process_exists(pid)


def test_guest_powers_off(d):
    d.start()
    define_guest(d, "poweroff")
    d.act("a", "start")
    equal(d.wait_state("a", "stopped")["reason"], "the guest powered off")


def test_killed_under_load(d):
    """The guest reads on and verifies what it reads, whatever becomes of daemons."""
    d.start()
    define_guest(d, "blk-write n=256 qd=8 order=seq verify=yes; blk-read n=4000000000 qd=8 order=seq verify=yes span=2048",
                 disks=[{"file": disk(d)}])
    pid = d.act("a", "start")["pid"]
    wait_for("reads", lambda: reads(d) > 0)
    for _ in range(5):
        d.kill()
        before = reads(d)
        wait_for("reads without a daemon", lambda: reads(d) > before)
        d.start()
        equal((d.vm("a")["state"], d.vm("a")["pid"]), ("running", pid))
    before = reads(d)
    wait_for("more reads", lambda: reads(d) > before)
    ws = d.console("a")
    ws.expect(b"blk-write.errors=0")
    equal(d.act("a", "stop")["state"], "stopped")
    ws.expect_close()
    assert b"fail" not in ws.heard, ws.heard


def test_sandbox(d):
    """A VM process that the daemon has started is confined."""
    d.start()
    define_guest(d, "halt")
    pid = d.act("a", "start")["pid"]
    with open("/proc/%d/status" % pid) as f:
        status = dict(line.rstrip().split(":", 1) for line in f)
    equal((status["NoNewPrivs"].strip(), status["Seccomp"].strip()), ("1", "2"))
    equal(int(status["CapEff"], 16), 0)
    if os.geteuid() == 0:
        assert "0" not in status["Uid"].split(), status["Uid"]


# ---- what goes wrong ----

def test_no_kvm(d):
    """A start says the same of /dev/kvm as info does."""
    for words in without_kvm(d):
        contains(d.ok("GET", "/v1/host")["accel-reason"], words)
        d.define("a", accel="kvm")
        contains(d.refused("POST", "/v1/vms/a/start", status=500)["message"], words)
        equal(d.vm("a")["state"], "stopped")
        contains(d.vm("a")["reason"], words)


def test_bad_boot_files(d):
    """Each is refused by name, and with a good one the same VM starts."""
    need_kvm()
    d.start()
    good = open(GUEST, "rb").read()
    path, initrd = disk(d, "kernel", 0), disk(d, "initrd", 256 * MIB)
    d.define("a", accel="kvm", memory={"size": "128M"}, boot={"kernel": path, "cmdline": "halt"})
    for data, words in [(b"", "kernel"), (b"#!/bin/sh\n", "neither a Linux bzImage nor an ELF file"), (good[:100], "kernel"),
                        (good[:64] + b"\xff" * (len(good) - 64), "kernel")]:
        with open(path, "wb") as f:
            f.write(data)
        error = d.refused("POST", "/v1/vms/a/start", status=500)
        contains(error["message"], "cannot start a: ")
        contains(error["message"], words)
        equal(d.vm("a")["state"], "stopped")
    with open(path, "wb") as f:
        f.write(good)
    equal(d.act("a", "start")["state"], "running")
    d.define("b", accel="kvm", memory={"size": "128M"}, boot={"kernel": GUEST, "initrd": initrd})
    contains(d.refused("POST", "/v1/vms/b/start", status=500)["message"], "initrd")
    d.define("c", accel="kvm", boot={"firmware": disk(d, "firmware", 0)})
    contains(d.refused("POST", "/v1/vms/c/start", status=500)["message"], "firmware")


def test_image_that_goes(d):
    """Gone before the start: refused. Gone later: the VM has it open. Shrunk: the guest sees errors where it ends."""
    d.start()
    path = disk(d)
    define_guest(d, WRITE + "; halt", disks=[{"file": path}])
    os.rename(path, path + ".away")
    contains(d.refused("POST", "/v1/vms/a/start", status=404)["message"], "/disks/0/file: cannot open " + path)
    os.rename(path + ".away", path)
    d.act("a", "start")
    ws = d.console("a")
    ws.expect(b"halted")
    os.unlink(path)
    d.act("a", "reset")
    expect_again(ws, b"halted", 2)
    equal(d.vm("a")["state"], "running")
    d.act("a", "stop")
    ws.expect_close()
    d.ok("DELETE", "/v1/vms/a", status=204)
    define_guest(d, "blk-read n=512 qd=8 bytes=65536 order=seq errors=count; halt", disks=[{"file": disk(d)}])
    d.act("a", "start")
    ws = d.console("a")
    ws.expect(b"halted")
    equal(report(ws)["blk-read.errors"], "0")
    os.truncate(path, 16 * MIB)
    d.act("a", "reset")
    expect_again(ws, b"halted", 2)
    equal(report(ws)["blk-read.errors"], "256")
    equal(d.vm("a")["state"], "running")


def test_garbage_in_rings(d):
    """What a guest does to its own devices does not matter to anybody else."""
    d.start()
    define_guest(d, "garbage n=50 type=blk; garbage n=50 type=net; blk-read n=8; halt", disks=[{"file": disk(d)}], nics=[{}])
    d.act("a", "start")
    ws = d.console("a")
    ws.expect(b"halted")
    assert sum(device["guest-errors"] for device in stats(d)["devices"]) > 0
    equal(d.vm("a")["state"], "running")
    equal(d.act("a", "stop")["reason"], "stopped from outside")


def full_disk(d, policy, then=""):
    """A guest that writes 32 MiB to a file system of 8 MiB."""
    need_kvm()
    folder = os.path.join(d.dir, "small")
    d.small_folder(folder, 8 * MIB)
    d.start()
    define_guest(d, WRITE + "; " + then + "halt",
                 disks=[{"id": "d", "file": disk(d, "small/disk.img"), "write-error": policy}])
    d.act("a", "start")
    return folder


def test_full_disk_stops_the_vm(d):
    """It waits for room, also over the death of the daemon; nothing is lost."""
    folder = full_disk(d, "stop", READ + "; ")
    vm = d.wait_state("a", "paused")
    contains(vm["reason"], "disk d")
    d.kill()
    d.start()
    equal(d.vm("a"), vm)
    d.act("a", "resume")
    contains(d.wait_state("a", "paused")["reason"], "disk d")
    subprocess.check_call(["mount", "-o", "remount,size=%d" % (64 * MIB), folder])
    d.act("a", "resume")
    ws = d.console("a")
    ws.expect(b"halted")
    equal((report(ws)["blk-write.errors"], report(ws)["blk-read.errors"]), ("0", "0"))


def test_full_disk_is_reported(d):
    full_disk(d, "report")
    ws = d.console("a")
    ws.expect(b"halted")
    errors = int(report(ws)["blk-write.errors"])
    assert errors >= 300, errors
    equal(stats(d)["disks"][0]["write-errors"], errors)
    equal(d.vm("a")["state"], "running")


def test_full_disk_is_ignored(d):
    full_disk(d, "ignore")
    ws = d.console("a")
    ws.expect(b"halted")
    equal(report(ws)["blk-write.errors"], "0")
    assert stats(d)["disks"][0]["write-errors"] >= 300


# ---- vmctl ----

def run_guest(d, commands, *more):
    need_kvm()
    return ["run", "--kernel", GUEST, "--append", "serial; " + commands, "--memory=128M", "--name=a", *more]


def test_vmctl_run(d):
    """In a pipe: the guest's words and nothing else on standard output."""
    d.start()
    r = vmctl(d, *run_guest(d, "tsc; blk-info; rng; net-tx n=10; poweroff", disk(d), "--cpus=2", "--rm"))
    equal((r.status, r.err.strip()), (0, "a has ended: the guest powered off"))
    for words in ("tsc_khz=", "blk-info.sectors=65536", "rng.bytes=", "net-tx.requests=10", "poweroff"):
        contains(r.out, words)
    equal(ok(d, "list"), "NAME\n")


def test_vmctl_on_a_terminal(d):
    d.start()
    t = Terminal(d, *run_guest(d, "tsc; halt", "--net=none"))
    t.expect(b"Ctrl-] leaves")
    t.expect(b"halted")
    remember(d)
    wait_for("a raw terminal", t.is_raw)
    t.type(b"\x1d")
    equal(t.end(), 0)
    contains(t.seen, b"Left the console of a; it runs on.")
    contains(ok(d, "list"), "running")
    equal(ok(d, "pause", "a"), "a paused: by request\n")
    equal(json.loads(ok(d, "list", "--format=json"))["vms"][0]["state"], "paused")
    equal(ok(d, "resume", "a"), "a running\n")
    t = Terminal(d, "console", "a")
    t.expect(b"halted")  # said before, and shown again
    equal(ok(d, "stop", "a"), "a stopped: stopped from outside\n")
    equal(t.end(), 0)
    contains(t.seen, b"a has ended: stopped from outside")


def test_vmctl_and_a_crash(d):
    d.start()
    t = Terminal(d, *run_guest(d, "halt", "--net=none"))
    t.expect(b"halted")
    remember(d)
    os.kill(d.vm("a")["pid"], signal.SIGKILL)
    equal(t.end(), 4)
    contains(t.seen, b"by signal 9")


def main():
    tests = [f for n, f in globals().items() if n.startswith("test_")]
    if len(sys.argv) > 5:
        tests = [f for f in tests if f.__name__ in sys.argv[5:]]
    return run_tests(tests, lambda: Daemon(*sys.argv[1:4]))


if __name__ == "__main__":
    sys.exit(main())
