"""Inflates the data of a record batch piece by piece, so that a batch cannot exhaust a worker's memory.

A batch of 100 kB may inflate to 100 MB or more. kafka-python and aiokafka inflate a whole batch at once. This module
yields pieces of bounded size, and its caller stops at a limit.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import cramjam
import lz4.frame
import zstandard

PIECE_BYTES: Final = 64 * 1024
"""Largest piece of gzip, lz4 and zstd; a piece of snappy is one block of its producer."""
_SNAPPY_BYTES: Final = 32 * 1024 * 1024
"""Most bytes of one snappy block. Snappy inflates at most about twentyfold, and has no stream within a block."""
_ZSTD_WINDOW_BYTES: Final = 8 * 1024 * 1024
"""Largest window, as RFC 8878 recommends for decoders; levels up to 19 need no more."""
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES: Final = 16


def inflated(codec: int, data: bytes) -> Iterator[bytes]:
    """Yield the inflated data in pieces; `codec` is Kafka's number: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.

    Raises ValueError for an unknown codec, and whatever the codec raises for broken data.
    """
    if codec not in _CODECS:
        msg = f"its compression codec {codec} is unknown"
        raise ValueError(msg)
    return _CODECS[codec](data)


def _plain(data: bytes) -> Iterator[bytes]:
    yield data


def _gzip(data: bytes) -> Iterator[bytes]:
    def decompressor() -> tuple[Any, Callable[[Any], bytes]]:
        return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS), lambda one: bytes(one.unconsumed_tail)

    return _streamed(data, decompressor)


def _lz4(data: bytes) -> Iterator[bytes]:
    # The decompressor keeps the rest of its input itself.
    return _streamed(data, lambda: (lz4.frame.LZ4FrameDecompressor(), lambda _one: b""))


def _streamed(data: bytes, decompressor: Callable[[], tuple[Any, Callable[[Any], bytes]]]) -> Iterator[bytes]:
    """Yield pieces of one or several streams, one after the other; ends where a stream is cut off."""
    while data:
        stream, rest = decompressor()
        while not stream.eof:
            piece = stream.decompress(data, PIECE_BYTES)
            data = rest(stream)
            if not piece and not stream.eof:
                return
            yield piece
        data = stream.unused_data or b""


def _zstd(data: bytes) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    with decompressor.stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        while piece := reader.read(PIECE_BYTES):
            yield piece


def _snappy(data: bytes) -> Iterator[bytes]:
    """Yield the blocks: Java's producers write several with a header, others a single one without."""
    if not data.startswith(_XERIAL):
        yield _snappy_block(data)
        return
    at = _XERIAL_HEADER_BYTES
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        if not 0 < length <= len(data) - at:
            msg = f"a snappy block has a length of {length} bytes"
            raise ValueError(msg)
        yield _snappy_block(data[at : at + length])
        at += length


def _snappy_block(block: bytes) -> bytes:
    length = shift = 0
    for byte in block[:5]:
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if length > _SNAPPY_BYTES:
        msg = f"a snappy block inflates to {length} bytes; at most {_SNAPPY_BYTES} are read"
        raise ValueError(msg)
    return bytes(cramjam.snappy.decompress_raw(block))


_CODECS: Final[dict[int, Callable[[bytes], Iterator[bytes]]]] = {0: _plain, 1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
