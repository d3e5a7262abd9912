"""JPEG 2000: the image size as the decoder reads it, from the first bytes of the codestream.

The codestream may be inside a JP2 file. Its boxes are followed one by one: other boxes may contain anything, also bytes
that look like a codestream.
"""

import struct
from dataclasses import dataclass
from typing import Final

from services.intake.decode.errors import corrupt, truncated

_START: Final = b"\xff\x4f\xff\x51"
"""SOC, then SIZ, which is always the first marker segment (ISO/IEC 15444-1 A.5.1)."""
_SIZ: Final = struct.Struct(">4sHHIIIIIIIIH")
"""SOC and SIZ, Lsiz, Rsiz, Xsiz, Ysiz, XOsiz, YOsiz, XTsiz, YTsiz, XTOsiz, YTOsiz, Csiz."""
_SIGNATURE: Final = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_MOST_BOXES: Final = 1000
_MOST_TILES: Final = 4096
"""The decoder allocates several kB per tile. The largest image in tiles of 128x128 pixels has fewer."""


@dataclass(frozen=True)
class WaveletHeader:
    """The size of the image and its number of components."""

    rows: int
    columns: int
    components: int


def read_wavelet_header(frame: bytes) -> WaveletHeader:
    """Read the size at the start of the codestream.

    Raises Rejected `image_truncated` when the file ends before it, `image_corrupt` when there is none or it has too
    many tiles.
    """
    start = 0 if frame.startswith(_START) else _codestream_box(frame)
    if start + _SIZ.size > len(frame):
        raise truncated("the JPEG 2000 codestream ends inside its header")
    marker, _, _, right, bottom, left, top, tile_width, tile_height, _, _, components = _SIZ.unpack_from(frame, start)
    if marker != _START:
        raise corrupt("the frame is not a JPEG 2000 codestream")
    if not tile_width or not tile_height or -(-right // tile_width) * -(-bottom // tile_height) > _MOST_TILES:
        raise corrupt(f"the JPEG 2000 image has too many tiles: they are of {tile_width}x{tile_height} pixels")
    return WaveletHeader(bottom - top, right - left, components)


def _codestream_box(frame: bytes) -> int:
    """Return where the content of the first `jp2c` box starts."""
    if not frame.startswith(_SIGNATURE):
        raise corrupt("the frame is not a JPEG 2000 codestream")
    position = len(_SIGNATURE)
    for _ in range(_MOST_BOXES):
        if position + 16 > len(frame):
            raise truncated("the JP2 file ends before its codestream")
        length, kind, extended = struct.unpack_from(">I4sQ", frame, position)
        header = 16 if length == 1 else 8
        if kind == b"jp2c":
            return position + header
        length = extended if length == 1 else length
        if length < header:
            raise corrupt(f"a JP2 box has an invalid length of {length} (at byte {position})")
        position += length
    raise corrupt(f"the JP2 file has more than {_MOST_BOXES} boxes before its codestream")
