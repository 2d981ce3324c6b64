#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Proof that the driver test can fail: each fault below, put into the driver, must be caught.

Arguments: the source root, the test program, ntsim.dll, the driver's version, its sources.
"""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))

import mksys  # pylint: disable=wrong-import-position

# What goes wrong: the file, the text, and what it becomes.
FAULTS = {
    "remove lock leaked": ("driver.c", "IoReleaseRemoveLock(&device->lock, irp);", ""),
    "IRP completed twice": (
        "pnp.c", "vmmbus_complete(irp, status);\n\tIoReleaseRemoveLock",
        "vmmbus_complete(irp, status);\n\tvmmbus_complete(irp, status);\n\tIoReleaseRemoveLock"),
    "start not given to the bus": (
        "pnp.c", "if (IoForwardIrpSynchronously(device->lower, irp))", "if (1)"),
    "bus's failure to start ignored": (
        "pnp.c", "status = irp->IoStatus.Status;", "status = STATUS_SUCCESS;"),
    "window not checked": ("pnp.c", "resource->u.Port.Length == HYBRID_WINDOW", "1"),
    "device left initialising": ("pnp.c", "self->Flags &= ~DO_DEVICE_INITIALIZING;", ""),
    "power flags not taken over": ("pnp.c", "(DO_POWER_PAGABLE | ", "("),
    "deleted while attached": ("pnp.c", "IoDetachDevice(device->lower);", ""),
    "removed without waiting": ("pnp.c", "IoReleaseRemoveLockAndWait(&device->lock, irp);", ""),
    "pending not marked": ("power.c", "IoMarkIrpPending(irp);", ""),
    "no device power IRP": ("power.c", "if (NT_SUCCESS(status)) {", "if (0) {"),
    "device stays in D0": ("power.c", "= PowerDeviceD3}", "= PowerDeviceD0}"),
    "power-up not said": (
        "power.c", "PoSetPowerState(device->self, DevicePowerState, on);", "(void)on;"),
    "system IRP forgotten": ("power.c", "vmmbus_complete(system_irp, result->Status);", ""),
    "code used after it was freed": (
        "controller.c", "\nvoid controller_log(", "\nINIT_CODE void controller_log("),
    "spin lock not released": ("controller.c", "KeReleaseSpinLock(&controller.lock, irql);", ""),
}


class Driver:
    """The driver's objects, of which one at a time is replaced by a faulty one."""

    def __init__(self, root, version, sources, place):
        self.place = place
        self.arch = mksys.ARCHITECTURES["x64"]
        self.flags = mksys.common_flags(root, version)
        self.sources = {os.path.basename(s): s for s in sources}
        self.objects = {name: mksys.compile_source(self.arch, source, self.path(name), self.flags)
                        for name, source in self.sources.items()}

    def path(self, name):
        return os.path.join(self.place, name)

    def good(self):
        return self.link(self.objects)

    def faulty(self, name, old, new):
        with open(self.sources[name], encoding="utf-8") as f:
            text = f.read()
        if old not in text:
            sys.exit(f"{name} no longer has: {old}")
        with open(self.path("faulty.c"), "w", encoding="utf-8") as f:
            f.write(text.replace(old, new, 1))
        # A fault may well leave something unused.
        faulty = mksys.compile_source(self.arch, self.path("faulty.c"), self.path("faulty"),
                                      self.flags + ["-w"])
        return self.link({**self.objects, name: faulty})

    def link(self, objects):
        mksys.link(self.arch, objects.values(), self.path("vmmbus.sys"))
        return self.path("vmmbus.sys")


def passes(program, driver, ntsim):
    return subprocess.run([program, driver, ntsim], stdout=subprocess.DEVNULL, check=False,
                          stderr=subprocess.DEVNULL, timeout=60).returncode == 0


def main():
    root, program, ntsim, version, *sources = sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        driver = Driver(root, version, sources, place)
        if not passes(program, driver.good(), ntsim):
            print("the driver without a fault does not pass")
            return 1
        missed = [name for name, fault in FAULTS.items()
                  if passes(program, driver.faulty(*fault), ntsim)]
    for name in missed:
        print("not caught:", name)
    print(f"{len(FAULTS) - len(missed)} of {len(FAULTS)} faults caught")
    return 1 if missed else 0


sys.exit(main())
