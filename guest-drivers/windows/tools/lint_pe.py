# SPDX-License-Identifier: BSD-2-Clause
"""What must hold for a driver binary before it goes to anyone's kernel.

Each check yields the sentences that say what is wrong.
"""

import os
import re

import pe

OLDEST_WINDOWS = (6, 1)
MACHINES = {"x64": pe.MACHINE_X64, "x86": pe.MACHINE_X86}
SUBSYSTEM_NATIVE = 1
PAGE_SIZE = 0x1000

# What x64 code may hold outside of every function of the unwind table: padding, ld's import
# thunks (jmp [rip + x], leaf code) and its two empty constructor lists.
NOT_A_FUNCTION = re.compile(
    rb"(?:\x00|\xcc|(?:\x66|\x2e)*(?:\x90|\x0f\x1f(?:[\x00-\x03]|\x40.|\x44..|\x80.{4}|\x84.{5}))"
    rb"|\xff\x25.{4}|(?:\xff{8}\x00{8}){1,2})*", re.DOTALL)


def check_headers(image, arch):
    required = pe.DLL_DYNAMIC_BASE | pe.DLL_NX_COMPAT | pe.DLL_WDM_DRIVER
    if arch == "x64":
        required |= pe.DLL_HIGH_ENTROPY_VA
    if image.machine != MACHINES[arch] or image.wide != (arch == "x64"):
        yield f"is for machine {image.machine:#x}"
    if not image.characteristics & pe.FILE_EXECUTABLE:
        yield "is not executable"
    if image.characteristics & pe.FILE_DLL:
        yield "has the DLL bit"
    if image.characteristics & pe.FILE_RELOCS_STRIPPED:
        yield "cannot be relocated"
    if image.subsystem != SUBSYSTEM_NATIVE:
        yield f"has subsystem {image.subsystem}, not native"
    if image.os_version != OLDEST_WINDOWS or image.subsystem_version != OLDEST_WINDOWS:
        yield f"asks for Windows {image.os_version} and subsystem {image.subsystem_version}"
    if image.dll_characteristics & required != required:
        yield f"has DLL characteristics {image.dll_characteristics:#x}, lacks some of {required:#x}"
    if image.timestamp:
        yield "carries a build time"
    if image.directory(pe.DIR_EXPORT)[1]:
        yield "exports names"
    if image.file_version() is None:
        yield "has no version resource"


def check_checksum(image, _arch):
    if image.stored_checksum() != image.checksum():
        yield f"has checksum {image.stored_checksum():#x}, should be {image.checksum():#x}"


def check_sections(image, _arch):
    for section in image.sections:
        executable = section.flags & pe.SCN_EXECUTE
        if executable and section.flags & pe.SCN_WRITE:
            yield f"section {section.name} is writable and executable"
        if bool(executable) != bool(section.flags & pe.SCN_CODE):
            yield f"section {section.name} is code or executable, but not both"
        if section.rva % PAGE_SIZE:
            yield f"section {section.name} does not begin on a page"
        pageable = not section.flags & (pe.SCN_NOT_PAGED | pe.SCN_DISCARDABLE)
        if pageable and section.name != "PAGE":
            yield f"section {section.name} is pageable"
    init = image.section("INIT")
    if not init or not init.flags & pe.SCN_DISCARDABLE:
        yield "has no discardable INIT section"
    elif not init.rva <= image.entry < init.rva + init.size:
        yield "does not enter in INIT"


def gaps(section, functions):
    """(begin, end) of what no function covers."""
    at, end = section.rva, section.rva + section.size
    for first, last in functions:
        if section.rva <= first < end:
            if first > at:
                yield at, first
            at = max(at, last)
    if at < end:
        yield at, end


def check_unwind(image, arch):
    functions = image.runtime_functions()
    if arch == "x86":
        return
    if not functions:
        yield "has no unwind table"
    for section in image.sections:
        if not section.flags & pe.SCN_EXECUTE:
            continue
        for begin, end in gaps(section, functions):
            start = section.raw + begin - section.rva
            code = bytes(image.data[start:start + end - begin])
            if not NOT_A_FUNCTION.fullmatch(code):
                yield f"{section.name} {begin:#x}..{end:#x} is in no function of the unwind table"


def allowed_imports(directory, dll, arch):
    """The names of the list for dll; None if there is no list."""
    path = os.path.join(directory, dll.lower() + ".txt")
    if not os.path.exists(path):
        return None
    names = set()
    with open(path, encoding="ascii") as f:
        for line in f:
            words = line.split("#")[0].split()
            if not words:
                continue
            since = tuple(int(n) for n in words[1].split("."))
            if since <= OLDEST_WINDOWS and words[2:] in ([], [arch]):
                names.add(words[0])
    return names


def check_imports(image, arch, directory):
    imports = image.imports()
    if not imports:
        yield "imports nothing"
    for dll, names in imports.items():
        allowed = allowed_imports(directory, dll, arch)
        if allowed is None:
            yield f"imports from {dll}"
            continue
        for name in names:
            if name not in allowed:
                yield f"imports {dll}:{name}, which is not on the list for {arch}"


def check(image, arch, imports_directory):
    """Everything wrong with image."""
    for one in (check_headers, check_checksum, check_sections, check_unwind):
        yield from one(image, arch)
    yield from check_imports(image, arch, imports_directory)
