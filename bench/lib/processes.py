# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory and threads of a VMM, with all processes that it consists of, from /proc."""

import dataclasses
import os
import re

import host

PF_USER_WORKER = 0x4000  # include/linux/sched.h: a kernel thread within a user process
RAM_SLACK_KIB = 1024     # a mapping next to the guest's RAM may have been merged with it


@dataclasses.dataclass
class Mapping:
    kib: int
    name: str
    writable: bool
    fields: dict  # KiB by name


def read(*path):
    with open(os.path.join("/proc", *map(str, path)), encoding="utf-8", errors="replace") as f:
        return f.read()


def stat(*path):
    """Fields of a stat file from the state on; the name before it may hold anything."""
    return read(*path, "stat").rpartition(")")[2].split()


def tree(pid):
    """pid and all its descendants."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = int(stat(name)[1])
            except FileNotFoundError:
                continue  # has ended meanwhile
    found = [pid]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def threads(pid):
    """(state, is one of the kernel's own) of every thread, such as KVM's page recovery worker."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        fields = stat(pid, "task", tid)
        yield fields[0], bool(int(fields[6]) & PF_USER_WORKER)


def asleep(pid):
    return all(state == "S" for process in tree(pid) for state, _ in threads(process))


def count_threads(pid):
    """Without those which the kernel adds (PF_USER_WORKER)."""
    return sum(not kernel for process in tree(pid) for _, kernel in threads(process))


def mappings(pid):
    current = None
    for line in read(pid, "smaps").splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ *(.*)", line)
        if head:
            if current:
                yield current
            size = int(head[2], 16) - int(head[1], 16)
            current = Mapping(size // 1024, head[4], head[3][1] == "w", {})
            continue
        field = re.match(r"(\w+): +(\d+) kB", line)
        if field:
            current.fields[field[1]] = int(field[2])
    if current:
        yield current


def guest_ram(pid, mib):
    """The mapping that is the guest's RAM: the one writable mapping of its size."""
    wanted = mib * 1024
    found = [m for m in mappings(pid) if m.writable and wanted <= m.kib <= wanted + RAM_SLACK_KIB]
    if len(found) != 1:
        raise host.Failure(f"process {pid} has {len(found)} mappings that could be guest RAM")
    return found[0]


def beyond_guest_ram(pid, mib):
    """{"Pss": MiB, "Private_Dirty": MiB} of all mappings of all processes but the guest's RAM."""
    ram = guest_ram(pid, mib)
    total = {}
    for field in ("Pss", "Private_Dirty"):
        everything = sum(m.fields.get(field, 0) for process in tree(pid) for m in mappings(process))
        total[field] = (everything - ram.fields[field]) / 1024
    return total
