"""PNG and BMP.

PNG: every chunk's length and checksum is checked first, and only chunks that contribute pixels reach the decoder.
BMP: only uncompressed files, which is what X-ray devices write.
"""

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
_MOST_CHUNKS: Final = 100_000
"""The largest file in chunks of 1 kB has fewer; common writers use 8 kB and more."""
_CHUNKS_OF_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
"""Colour profiles, texts (which may inflate without bound) and animation frames are removed."""


def decode_bmp(data: bytes, limits: Limits) -> Raster:
    """Decode a BMP with a BITMAPINFOHEADER or later; raises Rejected (see `decode`)."""
    if len(data) < 54:
        raise truncated(f"the BMP ends inside its header, after {len(data)} of at least 54 bytes")
    offset, header_size, columns, rows, _, bits, compression = struct.unpack("<IIiiHHI", data[10:34])
    if header_size < 40 or columns <= 0 or rows == 0:
        raise corrupt(f"the BMP header declares {columns}x{rows} pixels in a header of {header_size} bytes")
    check_size(columns, abs(rows), 1, limits)
    if compression not in _UNCOMPRESSED:
        raise Rejected(
            "format_unsupported",
            f"the BMP has compression {compression}, it must be uncompressed (0 or 3)",
            compression=compression,
        )
    if bits not in (8, 16, 24, 32):
        raise Rejected(
            "bits_unsupported", f"the BMP has {bits} bits per pixel, supported are 8, 16, 24 and 32", bits=bits
        )
    stride = (columns * bits + 31) // 32 * 4
    needed = offset + stride * abs(rows)
    if needed > len(data):
        raise truncated(f"the BMP ends before its last row: it has {len(data)} of {needed} bytes")
    return decode_with_opencv(data, "BMP", limits, {})


def decode_png(data: bytes, limits: Limits) -> Raster:
    """Decode a PNG of 1 to 16 bits, with or without alpha; raises Rejected (see `decode`)."""
    columns, rows = _size(data)
    check_size(columns, rows, 1, limits)
    kept = b"".join(chunk for kind, chunk in _chunks(data) if kind in _CHUNKS_OF_PIXELS)
    return decode_with_opencv(PNG_SIGNATURE + kept, "PNG", limits, {})


def _size(data: bytes) -> tuple[int, int]:
    if len(data) < 33:
        raise truncated(f"the PNG ends inside its header, after {len(data)} of at least 33 bytes")
    length, kind, columns, rows = struct.unpack(">I4sII", data[8:24])
    if kind != b"IHDR" or length != 13:
        raise corrupt("the PNG does not start with its header")
    return columns, rows


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(PNG_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if position + 12 > len(data):
            raise truncated(f"the PNG has no end chunk: the file ends after {len(data)} bytes")
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data):
            raise truncated(f"the PNG ends inside a chunk: it has {len(data)} of {end} bytes")
        checksum = int.from_bytes(data[end - 4 : end], "big")
        if zlib.crc32(memoryview(data)[position + 4 : end - 4]) != checksum:
            raise corrupt(f"the checksum of a PNG chunk is wrong (at byte {position})")
        yield kind, data[position:end]
        if kind == b"IEND":
            return
        position = end
    raise corrupt(f"the PNG has more than {_MOST_CHUNKS} chunks")
