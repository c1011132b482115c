"""Image files that Pillow reads but does not write."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt


def deep_png(pixels: npt.NDArray[np.uint16]) -> bytes:
    """A PNG with 16 bits a channel: ``(H, W, C)``, grey, grey and alpha, RGB or RGBA."""
    height, width, channels = pixels.shape
    colours = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png(struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0), zlib.compress(rows))


def png(header: bytes, body: bytes) -> bytes:
    """A PNG of one header and one piece of compressed pixels."""
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def tiff(pixels: bytes, width: int, height: int, bits: tuple[int, ...]) -> bytes:
    """An uncompressed little-endian TIFF of one strip."""
    entries = {
        256: (4, width),
        257: (4, height),
        259: (3, 1),
        262: (3, 1 if len(bits) == 1 else 2),
        277: (3, len(bits)),
        278: (4, height),
        279: (4, len(pixels)),
    }
    start = 8 + 2 + 12 * (len(entries) + 2) + 4
    rows = {tag: struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in entries.items()}
    bits_place = bits[0] if len(bits) == 1 else start
    rows[258] = struct.pack("<HHII", 258, 3, len(bits), bits_place)
    rows[273] = struct.pack("<HHII", 273, 4, 1, start + 2 * len(bits))
    directory = struct.pack("<H", len(rows)) + b"".join(rows[tag] for tag in sorted(rows)) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack(f"<{len(bits)}H", *bits) + pixels
