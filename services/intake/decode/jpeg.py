"""JPEG. The marker structure is checked first, because libjpeg fills missing data with grey and reports success."""

import re
import struct
from dataclasses import dataclass
from typing import Final

from services.common.errors import Rejected
from services.intake.decode.errors import corrupt, truncated
from services.intake.decode.grey import check_size, decode_with_opencv
from services.intake.raster import Raster
from services.intake.settings import Limits

_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""SOF0 to SOF15 without DHT, JPG and DAC, and SOF55 of JPEG-LS."""
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = 0xD9
_SEQUENTIAL: Final = frozenset({0xC0, 0xC1})
_PROGRESSIVE: Final = 0xC2
_MOST_SEGMENTS: Final = 10_000
_FILL: Final = re.compile(rb"\xff+(?=\xff)")
_MOST_SCANS: Final = 64
"""A progressive file has about ten; each scan costs a pass over all pixels."""
# In entropy-coded data an FF is stuffed with 00, repeated, or starts a restart marker (JPEG-LS stuffs with a bit: any
# byte below 80); anything else is the next segment.
_NEXT_SEGMENT: Final = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


_LOOK_AHEAD: Final = bytes(16)
"""libjpeg may read this far beyond the last block while it decodes it."""


@dataclass(frozen=True)
class JpegHeader:
    """The fields of the frame header (SOF), the number of scans and the offset of the end of the last one."""

    marker: int
    precision: int
    rows: int
    columns: int
    scans: int
    end: int

    @property
    def is_8_bit(self) -> bool:
        """Whether OpenCV can decode it: baseline, sequential or progressive with 8 bits."""
        return self.precision == 8 and self.marker in _SEQUENTIAL | {_PROGRESSIVE}


def decode_jpeg(data: bytes, limits: Limits) -> Raster:
    """Decode 8-bit baseline or progressive JPEG; raises Rejected (see `decode`)."""
    header = read_jpeg_header(data)
    check_size(header.columns, header.rows, 1, limits)
    if not header.is_8_bit:
        raise Rejected(
            "bits_unsupported",
            f"the JPEG has {header.precision} bits and frame marker {header.marker:02x}, "
            "supported are baseline and progressive files with 8 bits",
            marker=f"{header.marker:02x}",
            bits=header.precision,
        )
    return decode_with_opencv(without_end(data, header), "JPEG", limits, {})


def without_end(data: bytes, header: JpegHeader) -> bytes:
    """Return a file that decodes to the same image if its data is complete, and fails to decode if data is missing.

    libjpeg fills the rest with grey when the end-of-image marker comes too early, but OpenCV's data source makes it
    fail when the bytes run out. The marker is therefore cut off. Progressive files, where missing data costs only
    detail, and files with several scans are returned unchanged.
    """
    if header.marker in _SEQUENTIAL and header.scans == 1:
        return data[: header.end] + _LOOK_AHEAD
    return data


def read_jpeg_header(data: bytes) -> JpegHeader:
    """Read all segments up to the end-of-image marker.

    Raises Rejected `image_truncated` when the file ends before that marker, `image_corrupt` when segments
    contradict the format.
    """
    frame: tuple[int, int, int, int] | None = None
    position, scans, end = 2, 0, 0
    for _ in range(_MOST_SEGMENTS):
        marker, position = _marker(data, position)
        if marker == _END_OF_IMAGE:
            break
        body = _segment(data, position)
        if marker in _FRAME_MARKERS:
            if frame is not None or len(body) < 6:
                raise corrupt("the JPEG has several frame headers or one that is too short")
            precision, rows, columns = struct.unpack(">BHH", body[:5])
            frame = marker, precision, rows, columns
        position += len(body) + 2
        if marker == _START_OF_SCAN:
            scans += 1
            position = end = _end_of_scan(data, position)
    else:
        raise corrupt(f"the JPEG has more than {_MOST_SEGMENTS} segments")
    if frame is None or not 0 < scans <= _MOST_SCANS:
        raise corrupt(f"the JPEG must have a frame header and 1 to {_MOST_SCANS} scans, it has {scans} scans")
    return JpegHeader(*frame, scans, end)


def _marker(data: bytes, position: int) -> tuple[int, int]:
    if fill := _FILL.match(data, position):
        position = fill.end()
    if position + 2 > len(data):
        raise truncated(f"the JPEG has no end-of-image marker: the file ends after {len(data)} bytes")
    if data[position] != 0xFF:
        raise corrupt(f"a JPEG segment does not start with a marker (at byte {position})")
    return data[position + 1], position + 2


def _segment(data: bytes, position: int) -> bytes:
    length = int.from_bytes(data[position : position + 2], "big")
    if length < 2:
        raise corrupt(f"a JPEG segment has an invalid length of {length} (at byte {position})")
    if position + length > len(data):
        raise truncated(f"the JPEG ends inside a segment: it has {len(data)} of {position + length} bytes")
    return data[position + 2 : position + length]


def _end_of_scan(data: bytes, position: int) -> int:
    found = _NEXT_SEGMENT.search(data, position)
    if found is None:
        raise truncated(f"the JPEG ends inside its image data, after {len(data)} bytes")
    return found.start()
