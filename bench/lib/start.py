# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting a VM: time, memory, threads and system calls; 128 MiB, one vCPU, one virtio-rng device."""

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time

import host
import launch
import processes
import vmm
from figures import Figure

PEER = vmm.QemuMicrovm.name
HALT_LIMIT = 60   # seconds until the guest has said that it halts
SLEEP_LIMIT = 10  # and until all threads sleep
POLL = 0.005


def figures():
    return {
        "first": Figure("start.first_write", "ms", "<=4ms", PEER),
        "gone": Figure("start.exit", "ms", "<=1x", PEER),
        "pss": Figure("start.pss", "MiB", "<=4MiB", PEER),
        "dirty": Figure("start.private_dirty", "MiB", "<=1x", PEER),
        # One for control, one for the vCPU, at most one for I/O.
        "threads": Figure("start.threads", "", "<=3", PEER),
        "syscalls": Figure("start.syscalls", "", "<=150", PEER),
    }


def read_until(stream, text, limit):
    """Read a pipe until text has come by; a Failure if it has not in limit seconds."""
    seen, end = b"", time.monotonic() + limit
    while text not in seen:
        ready, _, _ = select.select([stream], [], [], max(0, end - time.monotonic()))
        chunk = os.read(stream.fileno(), 4096) if ready else b""
        if not chunk:
            raise host.Failure(f"the guest did not say {text.decode()}, but: {seen.decode()}")
        seen += chunk


def wait_asleep(pid):
    end = time.monotonic() + SLEEP_LIMIT
    while not processes.asleep(pid):
        if time.monotonic() > end:
            raise host.Failure(f"process {pid} is not idle {SLEEP_LIMIT} s after its guest has halted")
        time.sleep(POLL)


@contextlib.contextmanager
def halted(machine, folder):
    """A VMM whose guest is halted and whose threads all sleep; gives its pid."""
    command = machine.command(vmm.Guest("halt", rng=True), folder)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=errors, start_new_session=True)
        try:
            read_until(process.stdout, b"halted\n", HALT_LIMIT)
            wait_asleep(process.pid)
            yield process.pid
        except host.Failure as failure:
            errors.seek(0)
            raise host.Failure(f"{machine.name}: {failure}\n{errors.read().decode()}") from None
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()


def measure_once(tools, machine, folder, result):
    guest = vmm.Guest("start", rng=True)
    values = launch.run(tools, machine, guest, folder).values
    result["first"].add(machine.name, values["mark_us"] / 1000)
    result["gone"].add(machine.name, values["exit_us"] / 1000)
    result["syscalls"].add(machine.name, launch.count_to_mark(tools, machine, guest, folder))
    if not machine.configured:
        return
    with halted(machine, folder) as pid:
        memory = processes.beyond_guest_ram(pid, vmm.MEMORY_MIB)
        result["pss"].add(machine.name, memory["Pss"])
        result["dirty"].add(machine.name, memory["Private_Dirty"])
        result["threads"].add(machine.name, processes.count_threads(pid))


def measure(tools, machines, runs):
    result = figures()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            for machine in machines:
                measure_once(tools, machine, folder, result)
    return list(result.values())
