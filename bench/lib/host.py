# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine that measures, and what can go wrong on it."""

import os
import platform


class Failure(Exception):
    """Something that was to be measured did not run."""


def describe():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")),
                     platform.machine())
    return {"kernel": platform.release(), "cpus": os.cpu_count(), "model": model}


def raise_priority():
    """Of this process and all VMMs alike, where allowed: other work on the machine disturbs less."""
    try:
        os.nice(-10)
    except PermissionError:
        print("note: at normal priority", flush=True)


class Load:
    """How busy the machine was with other things since this was made."""

    def __init__(self):
        self.begin = self.read()

    @staticmethod
    def read():
        with open("/proc/stat", encoding="utf-8") as f:
            ticks = [int(word) for word in f.readline().split()[1:9]]
        stalled = None
        if os.path.exists("/proc/pressure/cpu"):
            with open("/proc/pressure/cpu", encoding="utf-8") as f:
                stalled = int(f.readline().rsplit("=", 1)[1])
        return sum(ticks), ticks[7], stalled, os.times().elapsed

    def since(self):
        """Per cent of time stolen by the hypervisor, and in which some task waited for a CPU."""
        begin, end = self.begin, self.read()
        load = {"steal": f"{100 * (end[1] - begin[1]) / max(end[0] - begin[0], 1):.1f}%"}
        if end[2] is not None:
            stalled = (end[2] - begin[2]) / 1e6
            load["waiting"] = f"{100 * stalled / max(end[3] - begin[3], 1e-3):.1f}%"
        return load
