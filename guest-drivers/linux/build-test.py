#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the Linux module from the tree that DKMS gets, for every installed kernel's headers.

Warnings are errors.  The module must carry the ACPI alias by which udev loads it, its licence,
and the version that dkms.conf states.  Exit 77: no kernel headers here.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile


def kernel_builds():
    found = [d for d in glob.glob("/lib/modules/*/build") if os.path.exists(d + "/Makefile")]
    return sorted(os.path.realpath(d) for d in found)


def stage(args, tree):
    abi = os.path.join(tree, "guest-drivers", "abi")
    os.makedirs(abi)
    for source in args.sources + [args.dkms]:
        shutil.copy(source, tree)
    for header in args.abi:
        shutil.copy(header, abi)


def build(kernel, tree):
    command = ["make", "-s", "-C", kernel, "M=" + tree, "KCFLAGS=-Werror", "W=1", "modules"]
    # Make's variables of an outer build are not meant for kbuild.
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(command, env=env, text=True, stderr=subprocess.STDOUT,
                          stdout=subprocess.PIPE, check=False)


def field(module, name):
    run = subprocess.run(["modinfo", "-F", name, module], text=True, check=True,
                         stdout=subprocess.PIPE)
    return run.stdout.strip()


def check(module, dkms):
    with open(dkms, encoding="ascii") as f:
        stated = re.search(r'^PACKAGE_VERSION="(.*)"$', f.read(), re.M).group(1)
    wanted = {"alias": "acpi*:VMMD0001:*", "license": "GPL", "version": stated, "depends": ""}
    found = {name: field(module, name) for name in wanted}
    for name, value in wanted.items():
        if found[name] != value:
            print(f"{name} is '{found[name]}', not '{value}'")
    return found == wanted


def fails_on_warning(kernel, args):
    """The check must be able to fail: an unused variable in the same tree is refused."""
    with tempfile.TemporaryDirectory() as tree:
        stage(args, tree)
        with open(os.path.join(tree, "vmmd-hybrid.c"), "a", encoding="ascii") as f:
            f.write("\nstatic void unused_function(void)\n{\n}\n")
        return build(kernel, tree).returncode != 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dkms", required=True)
    parser.add_argument("--abi", nargs="+", required=True)
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()

    kernels = kernel_builds()
    if not kernels or not shutil.which("make") or not shutil.which("modinfo"):
        print("no kernel headers, make or modinfo (linux-headers-amd64, make, kmod)")
        return 77

    for kernel in kernels:
        with tempfile.TemporaryDirectory() as tree:
            stage(args, tree)
            run = build(kernel, tree)
            print(run.stdout, end="")
            module = os.path.join(tree, "vmmd-hybrid.ko")
            if run.returncode != 0 or not check(module, args.dkms):
                return 1
            print(f"built for {field(module, 'vermagic')}")
    if not fails_on_warning(kernels[0], args):
        print("a module with a warning was built")
        return 1
    return 0


sys.exit(main())
