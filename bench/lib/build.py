# SPDX-License-Identifier: GPL-2.0-or-later
"""The release build that is measured, installed into a folder of its own."""

import dataclasses
import os
import subprocess

import host

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(SOURCE, "build-bench")
PREFIX = os.path.join(BUILD, "installed")


@dataclasses.dataclass
class Tools:
    launch: str
    exits: str     # library to preload
    raw_kvm: str
    firmware: str  # the bench guest
    vmmd_vm: str   # None if not wanted


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode:
        raise host.Failure(f"{' '.join(command)}:\n{done.stdout}")


def find_installed(name):
    for folder, _, names in os.walk(PREFIX):
        if name in names:
            return os.path.join(folder, name)
    raise host.Failure(f"the build installs no {name}")


def build(with_ours):
    """Bring the build up to date; install it if vmmd itself is to be measured."""
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        run("meson", "setup", "--buildtype=release", f"--prefix={PREFIX}", BUILD, SOURCE)
    if with_ours:
        run("meson", "install", "--quiet", "-C", BUILD)
    else:
        run("ninja", "-C", BUILD, "bench-tools")
    built = os.path.join(BUILD, "bench")
    return Tools(launch=os.path.join(built, "bench-launch"),
                 exits=os.path.join(built, "libbench-exits.so"),
                 raw_kvm=os.path.join(built, "bench-raw-kvm"),
                 firmware=os.path.join(built, "guest", "bench-guest.bin"),
                 vmmd_vm=find_installed("vmmd-vm") if with_ours else None)
