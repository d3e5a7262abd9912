"""JPEG: the marker structure is walked first, since libjpeg fills what is missing with grey and calls it decoded."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

from services.common.errors import Rejected
from services.intake.decode.grey import decode_with_opencv
from services.intake.decode.size import check_size
from services.intake.errors import corrupt, truncated
from services.intake.limits import Limits
from services.intake.raster import Raster

_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""SOF0 to SOF15 without DHT, JPG and DAC, and SOF55 of JPEG-LS."""
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = 0xD9
_BASELINE_AND_PROGRESSIVE: Final = frozenset({0xC0, 0xC1, 0xC2})
_MOST_SCANS: Final = 64
"""A progressive file has some ten; each further scan costs a pass over all pixels."""
# In entropy-coded data an FF is stuffed with 00, repeated, or starts a restart marker (JPEG-LS stuffs with a bit: any
# byte below 80); anything else is the next segment.
_NEXT_SEGMENT: Final = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


@dataclass(frozen=True)
class JpegHeader:
    """What the frame header (SOF) says."""

    marker: int
    precision: int
    rows: int
    columns: int
    components: int


def decode_jpeg(data: bytes, limits: Limits) -> Raster:
    """Decode 8-bit baseline or progressive JPEG; raises Rejected (see `decode`)."""
    header = read_jpeg_header(data)
    check_size(header.columns, header.rows, 1, limits)
    if header.marker not in _BASELINE_AND_PROGRESSIVE or header.precision != 8:
        raise Rejected(
            "bits_unsupported",
            "a JPEG file must be baseline or progressive with 8 bits",
            marker=f"{header.marker:02x}",
            bits=header.precision,
        )
    return decode_with_opencv(data, "JPEG", limits, {})


def read_jpeg_header(data: bytes) -> JpegHeader:
    """Walk all segments up to the end-of-image marker.

    Raises Rejected `image_truncated` when the file ends before that marker, `image_corrupt` when segments
    contradict the format.
    """
    header: JpegHeader | None = None
    position, scans = 2, 0
    while True:
        marker, position = _marker(data, position)
        if marker == _END_OF_IMAGE:
            break
        body = _segment(data, position)
        if marker in _FRAME_MARKERS:
            if header is not None or len(body) < 6:
                raise corrupt("the JPEG has no single frame header")
            header = JpegHeader(marker, *struct.unpack(">BHHB", body[:6]))
        position += len(body) + 2
        if marker == _START_OF_SCAN:
            scans += 1
            position = _end_of_scan(data, position)
    if header is None or not 0 < scans <= _MOST_SCANS:
        raise corrupt("the JPEG has no frame header, no scan or far too many scans")
    return header


def _marker(data: bytes, position: int) -> tuple[int, int]:
    while data[position : position + 2] == b"\xff\xff":
        position += 1
    if position + 2 > len(data):
        raise truncated("the JPEG ends before its end-of-image marker")
    if data[position] != 0xFF:
        raise corrupt("a JPEG segment does not start with a marker")
    return data[position + 1], position + 2


def _segment(data: bytes, position: int) -> bytes:
    length = int.from_bytes(data[position : position + 2], "big")
    if length < 2:
        raise corrupt("a JPEG segment has no length")
    if position + length > len(data):
        raise truncated("the JPEG ends inside a segment")
    return data[position + 2 : position + length]


def _end_of_scan(data: bytes, position: int) -> int:
    found = _NEXT_SEGMENT.search(data, position)
    if found is None:
        raise truncated("the JPEG ends inside its picture data")
    return found.start()
