# SPDX-License-Identifier: GPL-2.0-or-later
"""How each VMM is started with the bench guest: one class per VMM, and nothing else knows.

A VMM runs the firmware image with the debug console (port 0x402) on its standard output,
isa-debug-exit at port 0xf4, in-kernel interrupt controllers and the given devices.
"""

import dataclasses
import json
import os

CONFIG_FILE = "opt/org.vmmd/bench"
MEMORY_MIB = 128


@dataclasses.dataclass
class Guest:
    """What a benchmark wants to have run."""
    commands: str = "start"
    rng: bool = False
    disk: str = None  # path of a raw image: O_DIRECT, native asynchronous I/O, a thread of its own


class Vmm:
    name = None
    pci = True         # has a PCI bus, so disks
    configured = True  # has fw_cfg, so commands other than "start"

    def __init__(self, tools):
        self.tools = tools

    def command(self, guest, folder):
        """argv for the guest; files that are needed go into folder."""
        raise NotImplementedError


class Vmmd(Vmm):
    name = "vmmd"

    def spec(self, guest):
        spec = {
            "name": "bench",
            "memory": {"size": f"{MEMORY_MIB}M"},
            "cpus": {"count": 1},
            "boot": {"firmware": self.tools.firmware},
            "fw-cfg": [{"name": CONFIG_FILE, "string": guest.commands}],
            "devices": [
                {"type": "isa-debugcon", "iobase": 0x402, "chardev": {"type": "stdio"}},
                {"type": "isa-debug-exit", "iobase": 0xf4},
            ],
        }
        if guest.rng:
            spec["rng"] = {}
        if guest.disk:
            spec["disks"] = [{"id": "d0", "bus": "virtio", "file": guest.disk, "cache": "none"}]
        return spec

    def command(self, guest, folder):
        path = os.path.join(folder, "spec.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(self.spec(guest), f)
        return [self.tools.vmmd_vm, "--spec", path]


class Qemu(Vmm):
    machine = None

    def devices(self, guest):
        raise NotImplementedError

    def command(self, guest, folder):
        return ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-machine", self.machine,
                "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
                "-m", str(MEMORY_MIB), "-bios", self.tools.firmware,
                "-fw_cfg", f"name={CONFIG_FILE},string={guest.commands}",
                "-chardev", "stdio,id=console", "-device", "isa-debugcon,iobase=0x402,chardev=console",
                "-device", "isa-debug-exit,iobase=0xf4,iosize=1", *self.devices(guest)]


class QemuPc(Qemu):
    name = "qemu-pc"
    machine = "pc"

    def devices(self, guest):
        if guest.rng:
            yield from ("-device", "virtio-rng-pci")
        if guest.disk:
            yield from ("-object", "iothread,id=io0",
                        "-blockdev", "driver=file,node-name=d0,aio=native,cache.direct=on,"
                                     f"filename={guest.disk}",
                        "-device", "virtio-blk-pci,drive=d0,iothread=io0")


class QemuMicrovm(Qemu):
    """QEMU's quickest machine, with everything off that can be."""
    name = "qemu-microvm"
    machine = "microvm,acpi=off,rtc=off,pit=off,pic=off,isa-serial=off"
    pci = False

    def devices(self, guest):
        if guest.rng:
            yield from ("-device", "virtio-rng-device")


class RawKvm(Vmm):
    name = "raw-kvm"
    pci = False
    configured = False

    def command(self, guest, folder):
        return [self.tools.raw_kvm, self.tools.firmware]


CLASSES = (Vmmd, QemuMicrovm, QemuPc, RawKvm)
NAMES = [c.name for c in CLASSES]
OURS = Vmmd.name


def make(tools, names):
    return [c(tools) for c in CLASSES if c.name in names]
