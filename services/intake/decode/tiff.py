"""TIFF and BigTIFF. The first directory is read here, so that sizes and data ranges are known before decoding."""

import struct
from dataclasses import dataclass
from typing import Final

from services.common.errors import Rejected
from services.intake.decode.errors import corrupt, truncated
from services.intake.decode.grey import check_size, decode_with_opencv
from services.intake.raster import Raster
from services.intake.settings import Limits

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _SAMPLE_FORMAT = 256, 257, 258, 259, 339
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_OFFSETS_AND_COUNTS: Final = ((273, 279), (324, 325))
"""Tags of strips, tags of tiles."""
_NEEDED: Final = frozenset(
    {_WIDTH, _LENGTH, _BITS, _COMPRESSION, _SAMPLE_FORMAT, _TILE_WIDTH, _TILE_LENGTH, 273, 279, 324, 325}
)
"""The values of all other tags are skipped: thousands of entries may name the same million values."""
_NUMBERS: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Field types BYTE, SHORT, LONG, LONG8."""
_MOST_ENTRIES: Final = 4096
_MOST_SAMPLES: Final = 5
"""OpenCV accepts at most four samples per pixel."""
_MOST_SEGMENTS: Final = 1_000_000

Tags = dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class _Layout:
    order: str
    word: str
    count: str
    entry: int

    @property
    def inline(self) -> int:
        return struct.calcsize(self.word)


def decode_tiff(data: bytes, limits: Limits) -> Raster:
    """Decode the first page of a TIFF with 8 or 16 bits per sample; raises Rejected (see `decode`)."""
    big = data[2:3] == b"+" or data[3:4] == b"+"
    order = "<" if data[:2] == b"II" else ">"
    layout = _Layout(order, order + "Q", order + "Q", 20) if big else _Layout(order, order + "I", order + "H", 12)
    try:
        tags, pages = _directories(data, layout, 8 if big else 4, limits)
    except (struct.error, OverflowError) as error:
        raise truncated("the TIFF ends inside its directory") from error
    if not {_WIDTH, _LENGTH} <= tags.keys():
        raise corrupt("the TIFF directory has no image size")
    check_size(tags[_WIDTH][0], tags[_LENGTH][0], pages, limits)
    _check_tile(tags, limits)
    bits = set(tags.get(_BITS, (1,))[:_MOST_SAMPLES])
    if not (bits <= {8} or bits <= {16}) or set(tags.get(_SAMPLE_FORMAT, (1,))) != {1}:
        raise Rejected(
            "bits_unsupported",
            f"the TIFF has samples of {sorted(bits)} bits, supported are unsigned samples of 8 or 16 bits",
            bits=sorted(bits),
        )
    _check_segments(tags, len(data))
    return decode_with_opencv(data, "TIFF", limits, {"pages": pages, "compression": tags.get(_COMPRESSION, (1,))[0]})


def _directories(data: bytes, layout: _Layout, start: int, limits: Limits) -> tuple[Tags, int]:
    (position,) = struct.unpack_from(layout.word, data, start)
    first: Tags | None = None
    pages = 0
    while position and pages <= limits.most_frames:
        (entries,) = struct.unpack_from(layout.count, data, position)
        if entries > _MOST_ENTRIES:
            raise corrupt(f"the TIFF directory has {entries} entries, the limit is {_MOST_ENTRIES}")
        position += struct.calcsize(layout.count)
        if first is None:
            first = _tags(data, layout, position, entries)
        (position,) = struct.unpack_from(layout.word, data, position + entries * layout.entry)
        pages += 1
    return first or {}, pages


def _tags(data: bytes, layout: _Layout, position: int, entries: int) -> Tags:
    """Read one directory. A tag may occur once: of duplicates, libtiff and this reader might use different ones."""
    tags: Tags = {}
    seen: set[int] = set()
    for start in range(position, position + entries * layout.entry, layout.entry):
        (tag,) = struct.unpack_from(layout.order + "H", data, start)
        if tag in seen:
            raise corrupt(f"the TIFF directory has more than one tag {tag}")
        seen.add(tag)
        if tag in _NEEDED and (values := _values(data, layout, start)):
            tags[tag] = values
    return tags


def _values(data: bytes, layout: _Layout, position: int) -> tuple[int, ...]:
    (kind,) = struct.unpack_from(layout.order + "H", data, position + 2)
    (count,) = struct.unpack_from(layout.word, data, position + 4)
    letter = _NUMBERS.get(kind)
    if letter is None or not 0 < count <= _MOST_SEGMENTS:
        return ()
    values = f"{layout.order}{count}{letter}"
    offset = position + 4 + layout.inline
    if struct.calcsize(values) > layout.inline:
        (offset,) = struct.unpack_from(layout.word, data, offset)
    return struct.unpack_from(values, data, offset)


def _check_tile(tags: Tags, limits: Limits) -> None:
    """A decoder allocates a whole tile, however small the image is."""
    columns, rows = tags.get(_TILE_WIDTH, (1,))[0], tags.get(_TILE_LENGTH, (1,))[0]
    if columns * rows > limits.most_pixels:
        raise corrupt(f"the TIFF has tiles of {columns}x{rows} pixels, the limit is {limits.most_pixels}")


def _check_segments(tags: Tags, size: int) -> None:
    for offsets, counts in _OFFSETS_AND_COUNTS:
        if tags.get(offsets) and len(tags[offsets]) == len(tags.get(counts, ())):
            if any(start + length > size for start, length in zip(tags[offsets], tags[counts], strict=True)):
                raise truncated(f"the TIFF ends before its image data does: it has {size} bytes")
            return
    raise corrupt("the TIFF directory has no strips and no tiles")
