# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the PNGs of screenshots: Portable Network Graphics Specification, sections 5, 9 and 10."""

import struct
import zlib


def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def unfilter(kind, row, above):
    for i in range(len(row)):
        a, c = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
        row[i] = row[i] + (0, a, above[i], (a + above[i]) // 2, paeth(a, above[i], c))[kind] & 0xff
    return bytes(row)


def decode(data):
    """Width, height, and rows of red, green, blue; of true colour pictures of 8 bits without interlace."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, body, header = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at + 8:at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + chunk)
        at += 12 + length
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            body += chunk
    assert header[2:] == (8, 2, 0, 0, 0), header
    width, height = header[:2]
    raw, rows, above, step = zlib.decompress(body), [], bytes(width * 3), width * 3 + 1
    for y in range(height):
        row = raw[y * step:(y + 1) * step]
        above = row[1:] if row[0] == 0 else unfilter(row[0], bytearray(row[1:]), above)
        rows.append(above)
    return width, height, rows
