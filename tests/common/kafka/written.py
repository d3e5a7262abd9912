"""Record batches as a producer writes them, and such as no producer should."""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiokafka import codec as codecs
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import calc_crc32c, encode_varint

CODECS: Final[dict[str, tuple[int, Callable[[bytes], bytes]]]] = {
    "none": (0, bytes),
    "gzip": (1, codecs.gzip_encode),
    "snappy": (2, codecs.snappy_encode),
    "snappy raw": (2, lambda data: bytes(codecs.snappy_encode(data, xerial_compatible=False))),
    "lz4": (3, codecs.lz4_encode),
    "zstd": (4, codecs.zstd_encode),
}
"""The number of each codec, and its encoder. kafka-python's own producers are not used: the tests do not test these."""
_HEADER: Final = (
    *("base", "length", "epoch", "magic", "crc", "attributes", "delta"),
    *("first", "latest", "producer", "producer_epoch", "sequence", "count"),
)  # fmt: skip
Written = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]


def batch(records: Sequence[Written], *, base: int = 0, codec: str = "none", at: int = 1_700_000_000_000) -> bytes:
    """A batch with a right checksum; each record has a key, a value and headers."""
    number, encode = CODECS[codec]
    body = b"".join(_record(offset, *record) for offset, record in enumerate(records))
    header = DefaultRecordBatch.HEADER_STRUCT.pack(
        base, 0, -1, 2, 0, number, len(records) - 1, at, at, -1, -1, -1, len(records)
    )
    return sealed(header, encode(body), base=base, codec=number)


def _record(offset: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    names = b"".join(_bytes(name.encode()) + _bytes(content) for name, content in headers)
    body = b"\0" + _varint(0) + _varint(offset) + _bytes(key) + _bytes(value) + _varint(len(headers)) + names
    return _varint(len(body)) + body


def _bytes(content: bytes | None) -> bytes:
    return _varint(-1) if content is None else _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    encode_varint(value, written.append)
    return bytes(written)


class NotUtf8(str):
    """A header name that kafka-python's producer encodes to bytes that are not UTF-8."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"nam\xff"


def values(*contents: bytes) -> list[Written]:
    return [(b"key", content, [("trace", b"1")]) for content in contents]


def sealed(header: bytes, body: bytes, *, base: int, codec: int, **fields: int) -> bytes:
    """A batch of this body: length, codec and checksum are made right, and `fields` of the header replaced."""
    read: dict[str, Any] = dict(zip(_HEADER, DefaultRecordBatch.HEADER_STRUCT.unpack(header), strict=True))
    length = len(header) + len(body) - DefaultRecordBatch.AFTER_LEN_OFFSET
    read |= {"base": base, "length": length, "attributes": codec} | fields
    packed: bytes = DefaultRecordBatch.HEADER_STRUCT.pack(*read.values()) + body
    crc = calc_crc32c(memoryview(packed)[DefaultRecordBatch.ATTRIBUTES_OFFSET :])
    return (
        packed[: DefaultRecordBatch.CRC_OFFSET]
        + struct.pack(">I", crc)
        + packed[DefaultRecordBatch.ATTRIBUTES_OFFSET :]
    )


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """The same batch with some bytes of its body replaced by as many others."""
    size = DefaultRecordBatch.HEADER_STRUCT.size
    header, body = data[:size], data[size:]
    assert len(old) == len(new)
    assert body.count(old) == 1
    parsed = DefaultRecordBatch(data)
    return sealed(header, body.replace(old, new), base=parsed.base_offset, codec=parsed.attributes)
