# SPDX-License-Identifier: BSD-2-Clause
"""PE/COFF images as the tools here need them: read, checksummed, few bytes changed.

Source: Microsoft's "PE Format" specification.  Every read is bounded by the file, so a damaged
image raises PeError and nothing else.
"""

import struct

MACHINE_X64 = 0x8664
MACHINE_X86 = 0x014C

FILE_RELOCS_STRIPPED = 0x0001
FILE_EXECUTABLE = 0x0002
FILE_DLL = 0x2000

DLL_HIGH_ENTROPY_VA = 0x0020
DLL_DYNAMIC_BASE = 0x0040
DLL_NX_COMPAT = 0x0100
DLL_WDM_DRIVER = 0x2000

SCN_CODE = 0x00000020
SCN_DISCARDABLE = 0x02000000
SCN_NOT_PAGED = 0x08000000
SCN_EXECUTE = 0x20000000
SCN_WRITE = 0x80000000

DIR_EXPORT, DIR_IMPORT, DIR_RESOURCE, DIR_EXCEPTION, DIR_SECURITY, DIR_RELOC = range(6)

SECTION_HEADER = "<8sIIIIIIHHI"
SECTION_HEADER_SIZE = struct.calcsize(SECTION_HEADER)
FLAGS_IN_HEADER = 36
CHECKSUM_IN_OPTIONAL = 64


class PeError(Exception):
    """The bytes are no sound image."""


class Section:
    """One section header; header is its offset in the file."""

    def __init__(self, header, fields):
        self.header = header
        self.name = fields[0].rstrip(b"\0").decode("latin-1")
        self.virtual_size, self.rva, self.raw_size, self.raw = fields[1:5]
        self.flags = fields[9]

    @property
    def size(self):
        return self.virtual_size or self.raw_size


class Image:
    """An image in a bytearray that may be changed; parsed again by making a new Image."""

    def __init__(self, data):
        self.data = bytearray(data)
        if self.data[:2] != b"MZ":
            raise PeError("no MZ header")
        pe = self.u32(0x3C)
        if self.data[pe:pe + 4] != b"PE\0\0":
            raise PeError("no PE header")
        self.machine, count = self.unpack("<HH", pe + 4)
        self.timestamp = self.u32(pe + 8)
        optional_size, self.characteristics = self.unpack("<HH", pe + 20)
        self.optional = pe + 24
        magic = self.u16(self.optional)
        if magic not in (0x10B, 0x20B):
            raise PeError(f"optional header of unknown kind {magic:#x}")
        self.wide = magic == 0x20B
        self.entry = self.u32(self.optional + 16)
        self.os_version = self.unpack("<HH", self.optional + 40)
        self.subsystem_version = self.unpack("<HH", self.optional + 48)
        self.image_size = self.u32(self.optional + 56)
        self.subsystem = self.u16(self.optional + 68)
        self.dll_characteristics = self.u16(self.optional + 70)
        directories = self.optional + (112 if self.wide else 96)
        self.directories = [self.unpack("<II", directories + 8 * i)
                            for i in range(min(self.u32(directories - 4), 16))]
        headers = self.optional + optional_size
        self.sections = [Section(headers + SECTION_HEADER_SIZE * i,
                                 self.unpack(SECTION_HEADER, headers + SECTION_HEADER_SIZE * i))
                         for i in range(count)]

    def unpack(self, layout, offset):
        try:
            return struct.unpack_from(layout, self.data, offset)
        except struct.error as error:
            raise PeError(f"the file ends before offset {offset:#x}") from error

    def u16(self, offset):
        return self.unpack("<H", offset)[0]

    def u32(self, offset):
        return self.unpack("<I", offset)[0]

    def directory(self, number):
        """(rva, size), (0, 0) where there is none."""
        return self.directories[number] if number < len(self.directories) else (0, 0)

    def section(self, name):
        return next((s for s in self.sections if s.name == name), None)

    def offset(self, rva):
        """The file offset of rva."""
        for s in self.sections:
            if s.rva <= rva < s.rva + s.raw_size:
                return s.raw + rva - s.rva
        raise PeError(f"address {rva:#x} is in no section's data")

    def string(self, rva):
        start = self.offset(rva)
        end = self.data.find(b"\0", start, start + 256)
        if end < 0:
            raise PeError("a string does not end")
        return self.data[start:end].decode("latin-1")

    def imports(self):
        """{dll: [names]}; an import by number is "#number"."""
        found = {}
        rva, size = self.directory(DIR_IMPORT)
        if not size:
            return found
        for at in range(self.offset(rva), self.offset(rva) + size, 20):
            lookup, _, _, name, address = self.unpack("<IIIII", at)
            if not name:
                break
            found.setdefault(self.string(name), []).extend(self._names(lookup or address))
        return found

    def _names(self, rva):
        width, by_number = (8, 1 << 63) if self.wide else (4, 1 << 31)
        names = []
        at = self.offset(rva)
        while True:
            (thunk,) = self.unpack("<Q" if self.wide else "<I", at)
            if not thunk:
                return names
            names.append(f"#{thunk & 0xffff}" if thunk & by_number else self.string(thunk + 2))
            at += width

    def runtime_functions(self):
        """Sorted (begin, end) of the x64 unwind table."""
        rva, size = self.directory(DIR_EXCEPTION)
        if not size:
            return []
        start = self.offset(rva)
        return sorted(self.unpack("<II", start + i)
                      for i in range(0, size - size % 12, 12))

    def file_version(self):
        """(a, b, c, d) of the version resource, None without one."""
        at = self.data.find(b"\xbd\x04\xef\xfe")
        if not self.directory(DIR_RESOURCE)[1] or at < 0:
            return None
        high, low = self.u32(at + 8), self.u32(at + 12)
        return high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF

    def stored_checksum(self):
        return self.u32(self.optional + CHECKSUM_IN_OPTIONAL)

    def checksum(self):
        """16-bit ones' complement sum of the file without the field itself, plus its length."""
        data = bytearray(self.data)
        struct.pack_into("<I", data, self.optional + CHECKSUM_IN_OPTIONAL, 0)
        data += bytes(len(data) % 2)
        total = sum(word for (word,) in struct.iter_unpack("<H", data))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return total + len(self.data)

    def set_flags(self, section, flags):
        struct.pack_into("<I", self.data, section.header + FLAGS_IN_HEADER, flags)
        section.flags = flags

    def set_checksum(self):
        struct.pack_into("<I", self.data, self.optional + CHECKSUM_IN_OPTIONAL, self.checksum())
