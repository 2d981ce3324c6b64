#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vmmd from outside, with fake-vm in place of vmmd-vm: daemon-test.py VMMD FAKE-VM"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "lib"))
from daemon import (Connection, Daemon, DEADLINE, Skip, contains, equal, fill, process_exists,  # noqa: E402
                    run_tests, wait_for, without_kvm)


# ---- definitions ----

def test_define_get_list_delete(d):
    d.start()
    equal(d.ok("GET", "/v1/vms"), {"vms": []})
    vm = d.define("web-1", memory={"size": "64M"}, cpus={"count": 2})
    equal((vm["name"], vm["state"], vm["memory"], vm["cpus"]), ("web-1", "stopped", 64 << 20, 2))
    equal(vm, d.vm("web-1"))
    d.define("a")
    equal([v["name"] for v in d.ok("GET", "/v1/vms")["vms"]], ["a", "web-1"])
    assert "spec" not in d.ok("GET", "/v1/vms")["vms"][0]
    contains(d.refused("POST", "/v1/vms", {"name": "a"}, 409)["message"], "there is a VM called a already")
    d.ok("DELETE", "/v1/vms/a", status=204)
    equal(d.refused("GET", "/v1/vms/a", status=404)["code"], "not-found")
    d.refused("DELETE", "/v1/vms/a", status=404)
    equal(os.listdir(os.path.join(d.state, "vms")), ["web-1.json"])


def test_definitions_survive(d):
    d.start()
    for i in range(20):
        d.define("vm%d" % i, nics=[{}], disks=[{"file": "/nowhere/%d.img" % i}])
    before = [d.vm("vm%d" % i) for i in range(20)]
    d.kill()
    d.start()
    equal([d.vm("vm%d" % i) for i in range(20)], before)


def test_bad_specs_are_refused(d):
    d.start()
    for spec, path, words in [
            ({"name": "a", "disks": [{"file": "relative.img"}]}, "/disks/0/file", "absolute path"),
            ({"name": "a", "disks": [{"file": "/x", "cache": "x"}]}, "/disks/0/cache", "must be one of"),
            ({"name": "a", "serials": [{"chardev": {"type": "stdio"}}]}, "/serials/0/chardev/type", "by hand"),
            ({"name": "a", "rng": {"addr": "1"}}, "/rng/addr", "the machine"),
            ({"name": "a", "memory": {"size": "1000000G"}}, "/memory/size", "must be from"),
            ({"name": "a", "memory": []}, "/memory", "must be an object"),
            ({"nam": "a"}, "/nam", "is not known"),
            ({}, "/name", "is required"),
            ([], None, "must be a JSON object")]:
        reply = d.request("POST", "/v1/vms", spec)
        assert reply.status in (400, 501), reply.status
        equal(reply.json["error"].get("path"), path)
        contains(reply.json["error"]["message"], words)
    equal(d.ok("GET", "/v1/vms"), {"vms": []})


def test_corrupt_files_quarantine_one_vm(d):
    d.start()
    for name in ("good", "cut", "other", "old"):
        d.define(name)
    d.terminate()
    vms = os.path.join(d.state, "vms")
    with open(os.path.join(vms, "good.json")) as f:
        good = f.read()
    for name, text in [("cut", good[:100]), ("other", good), ("old", '{"format": 99, "vm": {}}')]:
        with open(os.path.join(vms, name + ".json"), "w") as f:
            f.write(text)
    with open(os.path.join(vms, ".good.tmp"), "w") as f:
        f.write("half")
    with open(os.path.join(vms, "not a name.json"), "w") as f:
        f.write("x")
    d.start()
    states = {v["name"]: v for v in d.ok("GET", "/v1/vms")["vms"]}
    equal({n: v["state"] for n, v in states.items()},
          {"good": "stopped", "cut": "quarantined", "other": "quarantined", "old": "quarantined"})
    contains(states["cut"]["reason"], "not valid JSON")
    contains(states["other"]["reason"], "it is the definition of good")
    contains(states["old"]["reason"], "format is not 1")
    contains(d.refused("POST", "/v1/vms/cut/start", status=409)["message"], "quarantined")
    d.refused("POST", "/v1/vms", {"name": "cut"}, 409)
    d.ok("DELETE", "/v1/vms/cut", status=204)
    d.define("cut")
    d.act("good", "start")
    assert not os.path.exists(os.path.join(vms, ".good.tmp"))


def test_second_daemon_is_refused(d):
    d.start()
    other = Daemon(d.vmmd, d.vmm)
    other.state, other.run = d.state, d.run
    other.start(wait=False)
    equal(other.process.wait(DEADLINE), 1)
    contains(other.read_log(), "another vmmd keeps its VMs in")
    other.state, other.socket = os.path.join(other.dir, "state"), d.socket
    other.start(wait=False)
    equal(other.process.wait(DEADLINE), 1)
    contains(other.read_log(), "another daemon serves")
    d.ok("GET", "/v1/vms")
    other.stop()


# ---- life ----

def test_life(d):
    d.start()
    d.define("a")
    vm = d.act("a", "start")
    equal(vm["state"], "running")
    pid = vm["pid"]
    assert process_exists(pid)
    equal(os.getsid(pid), pid)
    contains(d.refused("POST", "/v1/vms/a/start", status=409)["message"], "runs already")
    contains(d.refused("DELETE", "/v1/vms/a", status=409)["message"], "stop it first")
    contains(d.refused("POST", "/v1/vms/a/resume", status=409)["message"], "is not paused")
    equal(d.act("a", "pause")["state"], "paused")
    contains(d.refused("POST", "/v1/vms/a/shutdown", status=409)["message"], "is paused")
    equal(d.act("a", "reset")["state"], "paused")
    equal(d.act("a", "resume")["state"], "running")
    equal(d.act("a", "reset")["state"], "running")
    vm = d.act("a", "stop")
    equal((vm["state"], vm["reason"], vm["pid"]), ("stopped", "stopped from outside", 0))
    assert not process_exists(pid)
    for verb in ("stop", "pause", "resume", "reset", "shutdown"):
        contains(d.refused("POST", "/v1/vms/a/" + verb, status=409)["message"], "does not run")
    assert d.act("a", "start")["pid"] != pid


def test_shutdown(d):
    d.start()
    d.define("a")
    d.act("a", "start")
    vm = d.act("a", "shutdown", {"wait": True})
    equal((vm["state"], vm["reason"]), ("stopped", "the guest powered off"))
    d.act("a", "start")
    d.act("a", "shutdown")
    d.wait_state("a", "stopped")


def test_deadline(d):
    d.start()
    d.define("a", habit="stubborn")
    pid = d.act("a", "start")["pid"]
    equal(d.act("a", "shutdown")["state"], "running")
    began = time.monotonic()
    vm = d.act("a", "shutdown", {"deadline": 1, "wait": True})
    equal(vm["state"], "stopped")
    contains(vm["reason"], "killed")
    assert not process_exists(pid)
    assert time.monotonic() - began < DEADLINE


def test_crashes(d):
    d.start()
    d.define("a")
    for line, state, words in [(b"panic\n", "crashed", "the guest panicked"),
                               (b"abort\n", "crashed", "by signal 9"),
                               (b"poweroff\n", "stopped", "the guest powered off")]:
        d.act("a", "start")
        ws = d.console("a")
        ws.expect(b"is up")
        ws.send(line)
        code, reason = ws.expect_close()
        contains(reason, words.split(" by ")[0].split("by ")[0])
        contains(d.wait_state("a", state)["reason"], words)
        ws.close()
    contains(d.read_log(), "aborts as asked")


def test_starts_that_fail(d):
    d.start()
    d.define("refuse", habit="refuse")
    error = d.refused("POST", "/v1/vms/refuse/start", status=500)
    equal(error["message"], "cannot start refuse: /boot/kernel: the kernel is not one")
    equal((d.vm("refuse")["state"], d.vm("refuse")["reason"]), ("stopped", "/boot/kernel: the kernel is not one"))
    d.define("die", habit="die")
    contains(d.refused("POST", "/v1/vms/die/start", status=500)["message"], "dies as asked")
    d.define("mute", habit="mute")
    contains(d.refused("POST", "/v1/vms/mute/start", {"timeout": 1}, 500)["message"], "not begun to run within 1 s")
    d.define("deaf", habit="deaf")
    contains(d.refused("POST", "/v1/vms/deaf/start", status=500)["message"], "does not answer")
    d.define("babble", habit="babble")
    contains(d.refused("POST", "/v1/vms/babble/start", status=500)["message"], "not JSON-RPC")
    d.define("disk", disks=[{"file": "/nowhere/x.img"}])
    contains(d.refused("POST", "/v1/vms/disk/start", status=404)["message"],
             "/disks/0/file: cannot open /nowhere/x.img: No such file")
    d.define("folder", disks=[{"file": "/", "readonly": True}])
    contains(d.refused("POST", "/v1/vms/folder/start", status=400)["message"], "neither a file nor a device")
    fifo = os.path.join(d.dir, "fifo")
    os.mkfifo(fifo)
    d.define("fifo", disks=[{"file": fifo, "readonly": True}])
    contains(d.refused("POST", "/v1/vms/fifo/start", status=400)["message"], "neither a file nor a device")
    d.kill()
    d.start()
    for name in ("refuse", "die", "mute", "deaf", "babble"):
        equal(d.vm(name)["state"], "stopped")


def test_stop_while_starting(d):
    d.start()
    d.define("mute", habit="mute")
    result = []
    starter = threading.Thread(target=lambda: result.append(d.request("POST", "/v1/vms/mute/start")))
    starter.start()
    d.wait_state("mute", "starting")
    contains(d.refused("POST", "/v1/vms/mute/pause", status=409)["message"], "still starting")
    equal(d.act("mute", "stop")["state"], "stopped")
    starter.join()
    contains(result[0].json["error"]["message"], "it was stopped")


def test_no_vmm(d):
    d.vmm = "/nowhere/vmmd-vm"
    d.start()
    d.define("a")
    contains(d.refused("POST", "/v1/vms/a/start", status=404)["message"], "cannot run /nowhere/vmmd-vm")


def test_files_are_handed_over(d):
    image = os.path.join(d.dir, "disk.img")
    with open(image, "w") as f:
        f.write("a secret of the host\n")
    d.start()
    d.define("a", disks=[{"file": image}])
    d.act("a", "start")
    os.chmod(image, 0)
    os.rename(image, image + ".moved")
    ws = d.console("a")
    ws.send(b"disk\n")
    ws.expect(b"a secret of the host\n")
    ws.close()


def test_process_has_nothing_else(d):
    """Its descriptors are those handed over and those it made; its environment is not the service's."""
    d.start()
    d.define("a")
    idle = [Connection(d.socket) for _ in range(5)]
    pid = d.act("a", "start")["pid"]
    links = {os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)}
    run = os.path.join(d.run, "vms", "a")
    for link in links:
        assert (link in ("/dev/null", os.path.join(run, "log"), os.path.join(run, "status.json")) or
                link.startswith(("socket:", "anon_inode:", "/memfd:vmspec", "pipe:"))), link
    sockets = [link for link in links if link.startswith("socket:")]
    equal(len(sockets), 3)  # control, its connection to the daemon, console
    equal(os.readlink("/proc/%d/cwd" % pid), "/")
    with open("/proc/%d/status" % pid) as f:
        status = dict(line.split(":", 1) for line in f)
    equal(int(status["SigBlk"], 16), 0)
    for conn in idle:
        conn.close()


# ---- the daemon dies, VMs live ----

def test_vms_outlive_the_daemon(d):
    d.start()
    pids = {}
    for name in ("one", "two", "three"):
        d.define(name)
        pids[name] = d.act(name, "start")["pid"]
    d.act("two", "pause")
    ws = d.console("three")
    ws.expect(b"is up")
    d.kill()
    equal([process_exists(pid) for pid in pids.values()], [True] * 3)
    d.start()
    for name, state in [("one", "running"), ("two", "paused"), ("three", "running")]:
        equal((d.vm(name)["state"], d.vm(name)["pid"]), (state, pids[name]))
    contains(d.refused("POST", "/v1/vms/one/start", status=409)["message"], "runs already")
    again = d.console("three")
    again.expect(b"guest of three is up")
    again.send(b"hello\n")
    again.expect(b"hello\r\n")
    equal(d.act("two", "resume")["state"], "running")
    equal(d.act("one", "stop")["state"], "stopped")
    again.send(b"panic\n")
    contains(again.expect_close()[1], "the guest panicked")
    equal(d.wait_state("three", "crashed")["reason"], "the guest panicked")
    assert not process_exists(pids["one"])


def test_vms_that_end_meanwhile(d):
    d.start()
    for name in ("off", "killed", "runs"):
        d.define(name)
        d.act(name, "start")
    ws = {name: d.vm(name)["pid"] for name in ("off", "killed")}
    d.kill()
    control = socket.socket(socket.AF_UNIX)
    control.connect(os.path.join(d.run, "vms", "off", "control.sock"))
    control.sendall(b'{"jsonrpc":"2.0","method":"shutdown"}\n')
    while control.recv(4096):
        pass
    os.kill(ws["killed"], signal.SIGKILL)
    wait_for("the VMs to end", lambda: not any(process_exists(pid) for pid in ws.values()))
    d.start()
    equal((d.vm("off")["state"], d.vm("off")["reason"]), ("stopped", "the guest powered off"))
    equal(d.vm("killed")["state"], "crashed")
    equal(d.vm("runs")["state"], "running")
    equal(d.act("killed", "start")["state"], "running")


def test_daemon_killed_while_starting(d):
    d.start()
    d.define("mute", habit="mute")
    conn = Connection(d.socket)
    conn.send(b"POST /v1/vms/mute/start HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    status = os.path.join(d.run, "vms", "mute", "control.sock")
    wait_for("the process", lambda: os.path.exists(status) and d.vm("mute")["pid"])
    pid = d.vm("mute")["pid"]
    wait_for("its socket", lambda: can_connect(status))
    d.kill()
    conn.close()
    d.start()
    equal((d.vm("mute")["state"], d.vm("mute")["pid"]), ("running", pid))
    equal(d.act("mute", "stop")["state"], "stopped")


def can_connect(path):
    try:
        Connection(path).close()
        return True
    except OSError:
        return False


def test_lost_definition_of_a_running_vm(d):
    d.start()
    spec = d.define("a", cpus={"count": 3})["spec"]
    pid = d.act("a", "start")["pid"]
    d.kill()
    os.unlink(os.path.join(d.state, "vms", "a.json"))
    d.start()
    vm = d.vm("a")
    equal((vm["state"], vm["pid"], vm["spec"]["uuid"]), ("running", pid, spec["uuid"]))
    d.act("a", "stop")
    d.kill()
    d.start()
    equal((d.vm("a")["state"], d.vm("a")["cpus"]), ("stopped", 3))


def test_corrupt_definition_of_a_running_vm(d):
    d.start()
    d.define("a")
    pid = d.act("a", "start")["pid"]
    d.kill()
    with open(os.path.join(d.state, "vms", "a.json"), "w") as f:
        f.write("{")
    d.start()
    vm = d.vm("a")
    equal((vm["state"], vm["pid"]), ("running", pid))
    contains(vm["reason"], "cannot be read")
    vm = d.act("a", "stop")
    equal(vm["state"], "quarantined")


def test_vm_that_does_not_answer_a_new_daemon(d):
    """It is not taken for dead, which would let it be started twice."""
    d.start()
    d.define("a")
    pid = d.act("a", "start")["pid"]
    os.kill(pid, signal.SIGSTOP)
    d.kill()
    crowd = []
    while len(crowd) < 100:
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        crowd.append(sock)
        try:
            sock.connect(os.path.join(d.run, "vms", "a", "control.sock"))
        except BlockingIOError:
            break
    assert len(crowd) < 100
    d.start()
    equal((d.vm("a")["state"], d.vm("a")["reason"]), ("running", "its process does not answer"))
    contains(d.refused("POST", "/v1/vms/a/start", status=409)["message"], "runs already")
    contains(d.refused("POST", "/v1/vms/a/pause", status=409)["message"], "does not answer")
    d.refused("DELETE", "/v1/vms/a", status=409)
    for sock in crowd:
        sock.close()
    os.kill(pid, signal.SIGCONT)
    wait_for("the VM to be known", lambda: d.vm("a")["pid"] == pid)
    equal(d.act("a", "stop")["state"], "stopped")


def test_number_of_a_dead_process(d):
    """A run folder left behind never leads to a process that has nothing to do with it."""
    d.start()
    d.define("a")
    d.act("a", "start")
    pid = d.vm("a")["pid"]
    d.kill()
    os.kill(pid, signal.SIGKILL)
    wait_for("its end", lambda: not process_exists(pid))
    # Somebody else, this test, serves the path now; it speaks no JSON-RPC and must survive.
    path = os.path.join(d.run, "vms", "a", "control.sock")
    os.unlink(path)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(4)
    d.start(wait=False)
    server.settimeout(DEADLINE)
    peer = server.accept()[0]
    peer.sendall(b"nonsense\n")
    wait_for("the daemon", d.serves)
    server.close()
    peer.close()
    d.wait_state("a", "crashed")


def test_autostart(d):
    d.start()
    d.define("yes", autostart=True)
    d.define("no")
    d.define("broken", autostart=True, disks=[{"file": "/nowhere"}])
    d.kill()
    os.unlink(os.path.join(d.run, "autostarted"))
    d.start()
    d.wait_state("yes", "running")
    d.pids.add(d.vm("yes")["pid"])
    equal(d.vm("no")["state"], "stopped")
    contains(wait_for("the reason", lambda: d.vm("broken").get("reason")), "/nowhere")
    d.act("yes", "stop")
    d.kill()
    d.start()
    equal(d.vm("yes")["state"], "stopped")


def test_killed_under_load(d):
    """Whatever was acknowledged is there after each kill, no VM notices, and nothing is there that nobody asked for."""
    d.start()
    d.define("steady")
    pid = d.act("steady", "start")["pid"]
    known, stop = set(), threading.Event()
    asked = set()

    def load(worker):
        n = 0
        while not stop.is_set():
            name = "w%d-%d" % (worker, n)
            asked.add(name)
            try:
                if d.request("POST", "/v1/vms", {"name": name}).status == 201:
                    known.add(name)
                if n % 3 == 0 and name in known:
                    known.discard(name)
                    d.request("DELETE", "/v1/vms/" + name)
                    asked.discard(name)
            except (OSError, EOFError):
                pass
            n += 1

    for round_ in range(10):
        workers = [threading.Thread(target=load, args=(w + 10 * round_,)) for w in range(3)]
        for w in workers:
            w.start()
        wait_for("some definitions", lambda: len(known) > 10 * (round_ + 1))
        d.kill()
        stop.set()
        for w in workers:
            w.join()
        stop.clear()
        d.start()
        vms = {vm["name"]: vm for vm in d.ok("GET", "/v1/vms")["vms"]}
        equal(known - set(vms), set())
        equal([name for name, vm in vms.items() if vm["state"] == "quarantined"], [])
        equal((vms["steady"]["state"], vms["steady"]["pid"]), ("running", pid))
    equal([f for f in os.listdir(os.path.join(d.state, "vms")) if not f.endswith(".json")], [])


def test_socket_activation(d):
    """Sockets of systemd are taken by name, and it is told when the daemon is ready."""
    listener, notify = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(d.socket)
    listener.listen(4)
    notify.bind(os.path.join(d.dir, "notify"))
    notify.settimeout(DEADLINE)
    early = Connection(d.socket)
    early.send(b"GET /v1/vms HTTP/1.1\r\nHost: x\r\n\r\n")
    command = 'exec 3<&%d; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=vmmd.socket exec "$@"' % listener.fileno()
    d.process = subprocess.Popen(
        ["sh", "-c", command, "sh", d.vmmd, "--socket", "/nowhere/x", "--rpc-socket", d.rpc_socket,
         "--state-dir", d.state, "--run-dir", d.run, "--vmm", d.vmm],
        pass_fds=[listener.fileno()], env={**os.environ, "NOTIFY_SOCKET": os.path.join(d.dir, "notify")},
        stdin=subprocess.DEVNULL, stderr=d.log)
    equal(notify.recv(4096), b"READY=1")
    equal(early.receive().status, 200)
    d.define("a")
    pid = d.act("a", "start")["pid"]
    with open("/proc/%d/environ" % pid, "rb") as f:
        environ = f.read()
    assert b"LISTEN_" not in environ and b"NOTIFY_SOCKET" not in environ, environ
    d.terminate()
    equal(notify.recv(4096), b"STOPPING=1")
    assert process_exists(pid)


def test_who_may_connect(d):
    d.start()
    for path in (d.socket, d.rpc_socket):
        equal(os.stat(path).st_mode & 0o777, 0o660)
    equal(os.stat(os.path.join(d.state, "vms")).st_mode & 0o777, 0o700)
    d.define("a")
    d.act("a", "start")
    equal(os.stat(os.path.join(d.run, "vms", "a")).st_mode & 0o777, 0o700)
    equal(os.stat(os.path.join(d.state, "vms", "a.json")).st_mode & 0o777, 0o600)


# ---- the host's limits ----

def test_full_disk(d):
    """A definition that cannot be kept is refused, and nothing of it is left; the others live on."""
    d.small_folder(d.state, 64 << 10)
    d.start()
    d.define("before")
    d.act("before", "start")
    filler = fill(d.state)
    error = d.refused("POST", "/v1/vms", {"name": "a"}, status=500)
    equal(error["message"], "cannot keep the definition of a: No space left on device")
    d.refused("GET", "/v1/vms/a", status=404)
    d.act("before", "stop")
    equal(d.act("before", "start")["state"], "running")
    d.kill()
    d.start()
    equal([(v["name"], v["state"]) for v in d.ok("GET", "/v1/vms")["vms"]], [("before", "running")])
    os.unlink(filler)
    d.define("a")


def test_full_run_folder(d):
    """A start that finds no room is refused with the reason; a VM that runs already is not lost."""
    d.small_folder(d.run, 128 << 10)
    d.start()
    d.define("runs")
    pid = d.act("runs", "start")["pid"]
    d.define("a")
    filler = fill(d.run)
    contains(d.refused("POST", "/v1/vms/a/start", status=500)["message"], "No space left on device")
    equal(d.vm("a")["state"], "stopped")
    d.kill()
    d.start()
    equal((d.vm("runs")["state"], d.vm("runs")["pid"]), ("running", pid))
    equal(d.act("runs", "stop")["state"], "stopped")
    os.unlink(filler)
    equal(d.act("a", "start")["state"], "running")


# ---- the accelerator ----

def test_kvm_that_cannot_be_used(d):
    for words in without_kvm(d):
        host = d.ok("GET", "/v1/host")
        equal(host["accel"], "none")
        contains(host["accel-reason"], words)


def test_kvm_that_can_be_used(d):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("no /dev/kvm that this user may open")
    with open("/proc/cpuinfo") as f:
        flags = set(next(line for line in f if line.startswith("flags")).split())
    d.start()
    host = d.ok("GET", "/v1/host")
    equal(host["accel"], "kvm")
    contains(host["accel-reason"], "VT-x" if "vmx" in flags else "AMD-V" if "svm" in flags else
             "the processor shows neither VT-x nor AMD-V")


def main():
    tests = [f for n, f in globals().items() if n.startswith("test_")]
    if len(sys.argv) > 3:
        tests = [f for f in tests if f.__name__ in sys.argv[3:]]
    return run_tests(tests, lambda: Daemon(sys.argv[1], sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
