# SPDX-License-Identifier: GPL-2.0-or-later
"""What an exit costs, and how many exits and system calls a virtio request takes.

exits.c, preloaded into the VMM, gives the time from KVM_RUN's return to the next KVM_RUN of every
exit.  Counts per request are the difference between a long and a short run, so that start and end
cancel out.
"""

import dataclasses
import os
import statistics
import struct
import tempfile

import host
import launch
import vmm
from figures import Figure

PEER = vmm.QemuPc.name
SCRATCH = "/dev/shm"  # block requests are to cost what the VMM costs
DISK_BYTES = 64 << 20

HEAD = struct.Struct("<II")
SAMPLE = struct.Struct("<QII")
KIND_PORT_IN, KIND_MMIO_WRITE = 1, 4  # exits.c, enum kind

PORT_ACCESSES = 5000
PORTS = {  # registers that answer from memory
    "exits.port_debugcon": 0x402,
    "exits.port_i8042": 0x64,
}

SHORT, LONG = 1000, 21000  # requests; enough that what a program does besides is lost in them
DEPTHS = (1, 32)


@dataclasses.dataclass
class Log:
    total: int     # exits
    samples: list  # (address, cycles, kind); fewer than total if there were too many to keep

    def of(self, kind, addr):
        return [cycles for a, cycles, k in self.samples if k == kind and a == addr]


def read_log(path):
    with open(path, "rb") as f:
        data = f.read()
    capacity, total = HEAD.unpack_from(data)
    kept = min(total, capacity) * SAMPLE.size
    if not kept:
        raise host.Failure("no KVM_RUN was seen; is it called through libc's ioctl()?")
    return Log(total, list(SAMPLE.iter_unpack(data[HEAD.size:HEAD.size + kept])))


def run_logged(tools, machine, guest, folder):
    path = os.path.join(folder, "exits.log")
    if os.path.exists(path):
        os.unlink(path)
    run = launch.run(tools, machine, guest, folder,
                     environment={"LD_PRELOAD": tools.exits, "BENCH_EXITS": path})
    return run, read_log(path)


def measure_port(tools, machine, folder, figure):
    port = PORTS[figure.name]
    guest = vmm.Guest(f"pio n={PORT_ACCESSES} port={port:#x} dir=in")
    run, log = run_logged(tools, machine, guest, folder)
    cycles = log.of(KIND_PORT_IN, port)
    if len(cycles) < PORT_ACCESSES:
        raise host.Failure(f"{machine.name}: {len(cycles)} exits for {PORT_ACCESSES} port accesses")
    figure.add(machine.name, statistics.median(cycles) * 1e6 / run.values["tsc_khz"])


def block_guest(requests, depth, disk):
    return vmm.Guest(f"blk-read n={requests} qd={depth} wait=irq", disk=disk)


def measure_exits(tools, machine, folder, disk, depth, figures):
    totals = []
    for n in (SHORT, LONG):
        run, log = run_logged(tools, machine, block_guest(n, depth, disk), folder)
        totals.append(log.total)
    doorbell = int(run.report["blk-read.notify"], 16)
    figures[f"exits.blk_qd{depth}.exits"].add(machine.name, (totals[1] - totals[0]) / (LONG - SHORT))
    figures[f"exits.blk_qd{depth}.doorbells"].add(machine.name,
                                                  len(log.of(KIND_MMIO_WRITE, doorbell)))


def measure_syscalls(tools, machine, folder, disk, depth, figures):
    totals = [launch.run(tools, machine, block_guest(n, depth, disk), folder,
                         count=True).values["syscalls"] for n in (SHORT, LONG)]
    figures[f"exits.blk_qd{depth}.syscalls"].add(machine.name,
                                                 (totals[1] - totals[0]) / (LONG - SHORT))


def make_figures():
    result = [Figure(name, "ns", "<=300ns", PEER) for name in PORTS]
    for depth in DEPTHS:
        result += [Figure(f"exits.blk_qd{depth}.exits", "", "<=1x", PEER, resolution=0.01),
                   Figure(f"exits.blk_qd{depth}.doorbells", "", "<=0", PEER),
                   Figure(f"exits.blk_qd{depth}.syscalls", "", "<=1x", PEER, resolution=0.01)]
    return {figure.name: figure for figure in result}


def measure(tools, machines, runs):
    figures = make_figures()
    machines = [machine for machine in machines if machine.pci]
    with tempfile.TemporaryDirectory() as folder, \
            tempfile.NamedTemporaryFile(dir=SCRATCH, suffix=".img") as disk:
        os.posix_fallocate(disk.fileno(), 0, DISK_BYTES)
        for _ in range(runs):
            for machine in machines:
                for name in PORTS:
                    measure_port(tools, machine, folder, figures[name])
                for depth in DEPTHS:
                    measure_exits(tools, machine, folder, disk.name, depth, figures)
                    measure_syscalls(tools, machine, folder, disk.name, depth, figures)
    return list(figures.values())
