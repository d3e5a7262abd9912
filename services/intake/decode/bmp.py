"""BMP: uncompressed only, which is what X-ray devices write."""

from __future__ import annotations

import struct
from typing import Final

from services.common.errors import Rejected
from services.intake.decode.grey import check_size, decode_with_opencv
from services.intake.errors import corrupt, truncated
from services.intake.limits import Limits
from services.intake.raster import Raster

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
