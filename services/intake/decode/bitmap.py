"""PNG: every chunk's length and checksum first; only chunks that make pixels reach the decoder.

BMP: uncompressed only, which is what X-ray devices write.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from services.common.errors import Rejected
from services.intake.decode.errors import corrupt, truncated
from services.intake.decode.grey import check_size, decode_with_opencv
from services.intake.decode.sniff import PNG_SIGNATURE
from services.intake.raster import Raster
from services.intake.settings import Limits

_UNCOMPRESSED: Final = frozenset({0, 3})
"""BI_RGB and BI_BITFIELDS."""


def decode_bmp(data: bytes, limits: Limits) -> Raster:
    """Decode a BMP with a BITMAPINFOHEADER or later; raises Rejected (see `decode`)."""
    if len(data) < 54:
        raise truncated("the BMP ends inside its header")
    offset, header_size, columns, rows, _, bits, compression = struct.unpack("<IIiiHHI", data[10:34])
    if header_size < 40 or columns <= 0 or rows == 0:
        raise corrupt("the BMP header has no size")
    check_size(columns, abs(rows), 1, limits)
    if compression not in _UNCOMPRESSED:
        raise Rejected("format_unsupported", "a BMP must be uncompressed", compression=compression)
    if bits not in (8, 16, 24, 32):
        raise Rejected("bits_unsupported", "a BMP must have 8, 16, 24 or 32 bits a pixel", bits=bits)
    stride = (columns * bits + 31) // 32 * 4
    if offset + stride * abs(rows) > len(data):
        raise truncated("the BMP ends before its last row")
    return decode_with_opencv(data, "BMP", limits, {})


_CHUNKS_OF_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
"""Colour profiles, texts (which may inflate without bound) and animation frames are left out."""


def decode_png(data: bytes, limits: Limits) -> Raster:
    """Decode a PNG of 1 to 16 bits, with or without alpha; raises Rejected (see `decode`)."""
    columns, rows = _size(data)
    check_size(columns, rows, 1, limits)
    kept = b"".join(chunk for kind, chunk in _chunks(data) if kind in _CHUNKS_OF_PIXELS)
    return decode_with_opencv(PNG_SIGNATURE + kept, "PNG", limits, {})


def _size(data: bytes) -> tuple[int, int]:
    if len(data) < 33:
        raise truncated("the PNG ends inside its header")
    length, kind, columns, rows = struct.unpack(">I4sII", data[8:24])
    if kind != b"IHDR" or length != 13:
        raise corrupt("the PNG does not start with its header")
    return columns, rows


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise truncated("the PNG ends before its last chunk")
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data):
            raise truncated("the PNG ends inside a chunk")
        checksum = int.from_bytes(data[end - 4 : end], "big")
        if zlib.crc32(memoryview(data)[position + 4 : end - 4]) != checksum:
            raise corrupt("a PNG chunk does not fit its checksum")
        yield kind, data[position:end]
        position = end
