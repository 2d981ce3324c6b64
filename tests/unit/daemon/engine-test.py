#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vmmd with the real vmmd-vm, whose machine is driven by nobody (accel qtest): engine-test.py VMMD VMMD-VM"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "lib"))
from daemon import Daemon, contains, equal, process_exists, run_tests  # noqa: E402


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


def main():
    tests = [f for n, f in globals().items() if n.startswith("test_")]
    return run_tests(tests, lambda: Daemon(sys.argv[1], sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
