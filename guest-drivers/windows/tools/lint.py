#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Lints a built driver and its INF, proves on damaged copies that the lint can fail, and builds
the driver a second time to compare.

Exit 0: sound; 1: the sentences printed say what is not.
"""

import argparse
import os
import struct
import subprocess
import sys
import tempfile

import lint_inf
import lint_pe
import pe


def replace(old, new):
    """A mutation that replaces bytes, and has to find them."""
    def mutate(data):
        if old not in data:
            raise ValueError(f"{old!r} is not there to be damaged")
        return data.replace(old, new)
    return mutate


def flip_checksum(data):
    image = pe.Image(data)
    image.data[image.optional + pe.CHECKSUM_IN_OPTIONAL] ^= 1
    return image.data


def resealed(change):
    """A mutation by change(image), with a good checksum so that only the change can be found."""
    def mutate(data):
        image = pe.Image(data)
        change(image)
        image.set_checksum()
        return image.data
    return mutate


def rename_import(image):
    at = image.data.index(b"IoDetachDevice\0")
    image.data[at:at + 14] = b"IoDetachDevise"


def rename_dll(image):
    at = image.data.index(b"ntoskrnl.exe\0")
    image.data[at:at + 12] = b"ntoskrnk.exe"


def make_data_executable(image):
    section = image.section(".data")
    image.set_flags(section, section.flags | pe.SCN_EXECUTE | pe.SCN_CODE)


def keep_init(image):
    section = image.section("INIT")
    image.set_flags(section, section.flags & ~pe.SCN_DISCARDABLE | pe.SCN_NOT_PAGED)


def page_text(image):
    section = image.section(".text")
    image.set_flags(section, section.flags & ~pe.SCN_NOT_PAGED)


def or_u16(offset_of, bits):
    def change(image):
        offset = offset_of(image)
        struct.pack_into("<H", image.data, offset, image.u16(offset) | bits)
    return change


def and_u16(offset_of, bits):
    def change(image):
        offset = offset_of(image)
        struct.pack_into("<H", image.data, offset, image.u16(offset) & bits)
    return change


def file_characteristics(image):
    return image.optional - 2


def dll_characteristics(image):
    return image.optional + 70


def subsystem(image):
    return image.optional + 68


def oldest_windows(image):
    return image.optional + 40


def drop_function(image):
    """The longest function of .text leaves the unwind table: merged into its entry's start."""
    rva, _ = image.directory(pe.DIR_EXCEPTION)
    text = image.section(".text")
    begin, end = max((f for f in image.runtime_functions() if f[0] < text.rva + text.size),
                     key=lambda f: f[1] - f[0])
    at = image.data.index(struct.pack("<II", begin, end), image.offset(rva))
    struct.pack_into("<I", image.data, at + 4, begin + 1)


def drop_unwind_table(image):
    struct.pack_into("<II", image.data, image.optional + 112 + 8 * pe.DIR_EXCEPTION, 0, 0)


PE_MUTATIONS = {
    "checksum flipped": flip_checksum,
    "import renamed": resealed(rename_import),
    "import from another DLL": resealed(rename_dll),
    ".data executable": resealed(make_data_executable),
    "INIT kept": resealed(keep_init),
    ".text pageable": resealed(page_text),
    "DLL bit": resealed(or_u16(file_characteristics, pe.FILE_DLL)),
    "relocations stripped": resealed(or_u16(file_characteristics, pe.FILE_RELOCS_STRIPPED)),
    "no NX": resealed(and_u16(dll_characteristics, 0xFFFF & ~pe.DLL_NX_COMPAT)),
    "no dynamic base": resealed(and_u16(dll_characteristics, 0xFFFF & ~pe.DLL_DYNAMIC_BASE)),
    "user subsystem": resealed(or_u16(subsystem, 2)),
    "newer Windows": resealed(or_u16(oldest_windows, 0x8)),
    "version resource gone": resealed(lambda image: image.data.__setitem__(
        slice(0, None), image.data.replace(b"\xbd\x04\xef\xfe", b"\0\0\0\0"))),
}

PE_MUTATIONS_X64 = {
    "unwind table gone": resealed(drop_unwind_table),
    "function without unwind data": resealed(drop_function),
}

INF_MUTATIONS = {
    "LF line end": replace(b"[Files]\r\n", b"[Files]\n"),
    "not ASCII": replace(b'VENDOR="vmmd"', b'VENDOR="vmmd\xe9"'),
    "no CatalogFile": replace(b"CatalogFile=", b"CatalogFil="),
    "other version": replace(b".0\r\nCatalogFile", b".1\r\nCatalogFile"),
    "European date": replace(b"DriverVer=11/21/", b"DriverVer=21/11/"),
    "other class": replace(b"Class=System", b"Class=Net"),
    "other decoration": replace(b".10.0]", b".10.1]"),
    "no model section": replace(b"=Models,", b"=Model,"),
    "no install section": replace(b"[Install]", b"[Instal]"),
    "no service section": replace(b"[Service]", b"[Servic]"),
    "service without start type": replace(b"StartType=0", b"StartType=5"),
    "not the function driver": replace(b"vmmbus,2,", b"vmmbus,0,"),
    "binary not copied": replace(b"%12%\\vmmbus.sys", b"%12%\\vmbus.sys"),
    "file without source": replace(b"vmmbus.sys=1", b"vmmbus.dll=1"),
    "unknown disk": replace(b"vmmbus.sys=1", b"vmmbus.sys=2"),
    "undefined string": replace(b"DISK=", b"DISC="),
    "section twice": replace(b"[Strings]", b"[Files]\r\n[Strings]"),
    "no lockdown": replace(b"PnpLockdown=1", b"PnpLockdown=0"),
    "no hardware id": replace(b"Install,ACPI\\VMMD0001", b"Install"),
}


def lint_binary(data, args):
    try:
        return list(lint_pe.check(pe.Image(data), args.arch, args.imports))
    except pe.PeError as error:
        return [str(error)]


def unnoticed(data, mutations, lint):
    """Names of the mutations that the lint lets through."""
    return [name for name, mutate in mutations.items() if not lint(bytes(mutate(data)))]


def truncations(data):
    """Cuts at many places: each must be refused, none may raise anything but PeError."""
    return {f"cut at {at}": (lambda d, at=at: d[:at]) for at in range(0, len(data) - 1, 61)}


def build_again(args, binary):
    """The bytes of a second build, elsewhere."""
    with tempfile.TemporaryDirectory() as place:
        output = os.path.join(place, os.path.basename(args.binary))
        subprocess.run([*args.rebuild, "--output", output], check=True)
        with open(output, "rb") as f:
            return [] if f.read() == binary else ["a second build gives other bytes"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", choices=lint_pe.MACHINES, required=True)
    parser.add_argument("--imports", required=True, help="directory of the allow-lists")
    parser.add_argument("--inf", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--name", required=True, help="the name under which it is shipped")
    parser.add_argument("rebuild", nargs="+", help="the command that built it, without --output")
    args = parser.parse_args()

    with open(args.binary, "rb") as f:
        binary = f.read()
    with open(args.inf, "rb") as f:
        inf = f.read()
    version = pe.Image(binary).file_version()

    def lint_inf_bytes(raw):
        return lint_inf.check(raw, args.arch, args.name, version)

    def lint_binary_bytes(data):
        return lint_binary(data, args)

    mutations = PE_MUTATIONS | (PE_MUTATIONS_X64 if args.arch == "x64" else {})
    mutations |= truncations(binary)
    wrong = [f"{args.name}: {p}" for p in lint_binary_bytes(binary)]
    wrong += [f"{args.inf}: {p}" for p in lint_inf_bytes(inf)]
    wrong += [f"{args.name}: {p}" for p in build_again(args, binary)]
    wrong += [f"the lint misses: {name}"
              for name in unnoticed(binary, mutations, lint_binary_bytes)]
    wrong += [f"the lint misses: {name}" for name in unnoticed(inf, INF_MUTATIONS, lint_inf_bytes)]
    for problem in wrong:
        print(problem)
    print(f"{args.name} {args.arch}: {len(mutations) + len(INF_MUTATIONS)} damaged copies refused"
          if not wrong else f"{len(wrong)} problems")
    return 1 if wrong else 0


sys.exit(main())
