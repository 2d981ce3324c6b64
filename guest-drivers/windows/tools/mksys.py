#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Builds one Windows kernel driver for one architecture with the mingw-w64 compilers.

Compiles the C files and the resource, links, and then does what GNU ld cannot: marks INIT
discardable, keeps what is neither INIT nor PAGE resident, and writes the checksum.  The same
sources and compilers give the same bytes anywhere.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import pe

DDK = "/usr/share/mingw-w64/include/ddk"

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla",
            "-Wformat=2", "-Wimplicit-fallthrough", "-Werror=frame-larger-than=1024"]

# Kernel stacks are small and interrupts use them (no red zone); the FPU is not ours to touch;
# the x64 unwind tables stay, because without them the kernel takes every function for a leaf.
COMPILE = ["-std=gnu17", "-O2", "-g0", "-ffreestanding", "-fno-strict-aliasing", "-fno-ident",
           "-fstack-protector-strong", "-mno-red-zone", "-mgeneral-regs-only",
           "-isystem", DDK, "-D_WIN32_WINNT=0x0601", "-DNTDDI_VERSION=0x06010000"]

LINK = ["-nostdlib", "-s", "-Wl,--subsystem,native:6.1", "-Wl,--major-os-version,6",
        "-Wl,--minor-os-version,1", "-Wl,--file-alignment,0x200", "-Wl,--section-alignment,0x1000",
        "-Wl,--dynamicbase,--nxcompat,--wdmdriver,--disable-auto-import,--no-insert-timestamp"]

LIBRARIES = ["-lntoskrnl", "-lhal", "-lgcc"]


class Architecture:
    """Compiler prefix and the flags that differ."""

    def __init__(self, prefix, compile_flags, link_flags):
        self.prefix = prefix
        self.compile_flags = compile_flags
        self.link_flags = link_flags


ARCHITECTURES = {
    "x64": Architecture("x86_64-w64-mingw32-", [],
                        ["-Wl,--entry,DriverEntry", "-Wl,--image-base,0x140000000",
                         "-Wl,--high-entropy-va"]),
    # x86 Windows has no unwind tables; ld would keep DWARF ones as a loaded section.
    "x86": Architecture("i686-w64-mingw32-", ["-fno-asynchronous-unwind-tables"],
                        ["-Wl,--entry,_DriverEntry@8", "-Wl,--image-base,0x10000",
                         "-Wl,--no-seh,--enable-stdcall-fixup"]),
}


def run(command):
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"mksys: {command[0]} failed")


def make_depfile(target, pieces, path):
    """One make rule from the rules the compiler wrote, one for each object."""
    needed = []
    for piece in pieces:
        with open(piece, encoding="utf-8") as f:
            words = f.read().replace("\\\n", " ").split()
        needed += [word for word in words[1:] if word not in needed]
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{target}: {' '.join(needed)}\n")


def seal(path):
    """The section flags and the checksum of a linked driver."""
    with open(path, "rb") as f:
        image = pe.Image(f.read())
    for section in image.sections:
        if section.name == "INIT":
            image.set_flags(section, section.flags | pe.SCN_DISCARDABLE)
        elif section.name != "PAGE" and not section.flags & pe.SCN_DISCARDABLE:
            image.set_flags(section, section.flags | pe.SCN_NOT_PAGED)
    image.set_checksum()
    with open(path, "wb") as f:
        f.write(image.data)


def common_flags(root, version):
    numbers = zip(("MAJOR", "MINOR", "PATCH"), version.split("."))
    return ["-I", root] + [f"-DVERSION_{name}={value}" for name, value in numbers]


def compile_source(arch, source, base, flags):
    """Makes the object base.o, and for C the make rule base.d."""
    if source.endswith(".rc"):
        run([arch.prefix + "windres", *flags, source, base + ".o"])
    else:
        run([arch.prefix + "gcc", *COMPILE, *arch.compile_flags, *WARNINGS, *flags,
             "-MD", "-MF", base + ".d", "-c", source, "-o", base + ".o"])
    return base + ".o"


def link(arch, objects, output):
    run([arch.prefix + "gcc", *LINK, *arch.link_flags, "-o", output, *objects, *LIBRARIES])
    seal(output)


def build(args, objects_dir):
    arch = ARCHITECTURES[args.arch]
    flags = common_flags(args.root, args.version)
    objects, depfiles = [], []
    for source in args.sources:
        base = os.path.join(objects_dir, os.path.basename(source))
        extra = [] if source.endswith(".rc") else args.cflag
        objects.append(compile_source(arch, source, base, flags + extra))
        depfiles += [] if source.endswith(".rc") else [base + ".d"]
    link(arch, objects, args.output)
    if args.depfile:
        make_depfile(args.output, depfiles, args.depfile)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", choices=ARCHITECTURES, required=True)
    parser.add_argument("--root", required=True, help="the source root, for #include")
    parser.add_argument("--version", required=True, help="major.minor.patch")
    parser.add_argument("--cflag", action="append", default=[], help="one more compiler flag")
    parser.add_argument("--depfile")
    parser.add_argument("--output", required=True)
    parser.add_argument("sources", nargs="+")
    with tempfile.TemporaryDirectory() as objects_dir:
        build(parser.parse_args(), objects_dir)


if __name__ == "__main__":
    main()
