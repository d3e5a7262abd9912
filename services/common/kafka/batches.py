"""Reads Kafka's record batches so that one bad record costs only itself, and no batch takes much memory.

Any producer decides what its batches contain: the codec, the inflated size, the names of headers. kafka-python 3.0 and
aiokafka 0.14 raise when they cannot read a batch, and kafka-python then loops for ever within `poll`. `Batches` has the
interface of the class `MemoryRecords` of both, and never raises: whatever it cannot read is a record whose value is an
`Unreadable`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.util import decode_varint

from services.common.errors import Rejected
from services.common.events.rejection import UNREADABLE
from services.common.kafka.inflate import inflated
from services.common.topics import MAX_MESSAGE_BYTES

INFLATED_BYTES: Final = 256 * 1024 * 1024
"""Most bytes that are inflated from one batch; they are not kept."""
BATCH_RECORDS: Final = 100_000
"""Most records in a batch. 1 MiB, the largest batch of an event topic, has ten bytes for each."""
RECORD_HEADERS: Final = 100
"""Most headers in a record. A header takes three bytes there, and two hundred in memory."""
_LATEST_MS: Final = 253_402_300_799_000
"""The last second of the year 9999, after which Python has no date."""
_PREFIX: Final = struct.Struct(">qi")
_OFFSET_BYTES: Final = 32
"""The first bytes of a record, which hold its offset."""
_MAGIC: Final = 2
_CODEC_MASK: Final = 0x07


class Unreadable(bytes):
    """The value of a record that could not be read: empty, with the reason and the first offset.

    The record with this value represents the offsets from `first_offset` to its own.
    """

    first_offset: int
    why: str

    def __new__(cls, first_offset: int, why: str) -> Unreadable:
        """Return an empty value."""
        value = super().__new__(cls)
        value.first_offset, value.why = first_offset, why[:300]
        return value


def readable(value: bytes | None, last_offset: int) -> bytes | None:
    """Return the value of a record; raises Rejected(`record_unreadable`) for an `Unreadable`."""
    if isinstance(value, Unreadable):
        raise Rejected(
            UNREADABLE,
            f"Kafka's record could not be read: {value.why}",
            first_offset=value.first_offset,
            last_offset=last_offset,
        )
    return value


class Batches:
    """The batches in the answer to one fetch of one partition."""

    def __init__(self, data: Any, fetch_offset: int = 0, record_bytes: int = MAX_MESSAGE_BYTES) -> None:
        """Read `data` from `fetch_offset` on; a record that is larger than `record_bytes` is unreadable."""
        self._data, self._at = memoryview(data), 0
        self._fetch_offset, self._record_bytes = fetch_offset, record_bytes

    def limit(self, record_bytes: int) -> None:
        """Have a record larger than this be unreadable."""
        self._record_bytes = record_bytes

    def size_in_bytes(self) -> int:
        """Return the size of the whole answer."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether another whole batch follows; the broker may cut off the last one."""
        return self._end(self._at) is not None

    def next_batch(self) -> RecordBatch | None:
        """Return the next batch, or None."""
        end = self._end(self._at)
        if end is None:
            return None
        batch = RecordBatch(self._data[self._at : end], self._record_bytes)
        batch.check(max(self._fetch_offset, batch.base_offset), self._base_offset(end))
        self._at = end
        return batch

    def _end(self, at: int) -> int | None:
        if len(self._data) - at < DefaultRecordBatch.HEADER_STRUCT.size:
            return None
        end = at + _PREFIX.size + int(_PREFIX.unpack_from(self._data, at)[1])
        return end if at + DefaultRecordBatch.HEADER_STRUCT.size <= end <= len(self._data) else None

    def _base_offset(self, at: int) -> int | None:
        """Return the first offset of the batch that starts here, if one does."""
        return None if self._end(at) is None else int(_PREFIX.unpack_from(self._data, at)[0])


class RecordBatch(DefaultRecordBatch):  # type: ignore[misc]  # kafka-python has no types
    """One batch; iterating over it never raises."""

    _header_data: tuple[Any, ...]

    def __init__(self, data: memoryview, record_bytes: int) -> None:
        """Read the header."""
        super().__init__(data)
        self._record_bytes = record_bytes
        self._why: str | None = None

    def check(self, position: int, following: int | None) -> None:
        """Note a problem of the whole batch; its header is then replaced, because it cannot be trusted.

        The batch is assumed to end before the offset `following` of the next one. Without a next one, and with a header
        that contradicts itself, only the offset `position` is skipped.
        """
        if self.magic != _MAGIC:
            self._why = f"its message format {self.magic} is not supported"
        elif not DefaultRecordBatch.validate_crc(self):
            self._why = "its checksum is wrong"
        elif self.records_count > BATCH_RECORDS:
            self._why = f"its batch has {self.records_count} records; at most {BATCH_RECORDS} are read"
            return
        if self._why is None:
            return
        base, (_, _, epoch, _, crc, _, delta, _, latest, _, _, _, count) = self.base_offset, self._header_data
        claimed = base + delta if count == delta + 1 else position
        last = max(position, claimed if following is None else following - 1)
        self._header_data = (base, 0, epoch, _MAGIC, crc, 0, last - base, 0, latest, -1, -1, -1, 0)

    def validate_crc(self) -> bool:
        """Return True: `check` has noted a wrong checksum."""
        return True

    def __iter__(self) -> Iterator[DefaultRecord]:
        """Yield every record; one that cannot be read has an `Unreadable` as its value."""
        expected = self.base_offset
        try:
            if self._why is not None:
                raise ValueError(self._why)
            pieces = inflated(self.attributes & _CODEC_MASK, bytes(memoryview(self._buffer)[self._pos :]))
            stream = _Stream(pieces)
            for following in reversed(range(self.records_count)):
                if expected > self.last_offset:
                    return  # more records than offsets: the next offset is the next batch's
                record = self._next(stream, expected, self.last_offset - following)
                expected = record.offset + 1
                yield record
        except Exception as error:  # noqa: BLE001 - whatever a codec raises must not stop the partition
            if expected <= self.last_offset:
                yield self._unreadable(expected, self.last_offset, str(error) or repr(error))

    def _next(self, stream: _Stream, expected: int, latest: int) -> DefaultRecord:
        """Return the next record, whose offset is at most `latest`, so that the records after it have theirs.

        Raises ValueError when the rest of the batch cannot be read.
        """
        length = stream.varint()
        if length < 0:
            msg = "a record of its batch has a negative length"
            raise ValueError(msg)
        body = stream.take(length if length <= self._record_bytes else _OFFSET_BYTES)
        stream.skip(length - len(body))
        offset = expected
        try:
            delta, at = decode_varint(body, 1)
            relative, at = decode_varint(body, at)
            offset = max(expected, min(self.base_offset + relative, latest))
            if length > self._record_bytes:
                msg = f"it has {length} bytes; at most {self._record_bytes} are read"
                raise ValueError(msg)
            key, value, headers = _fields(body, at)
        except (ValueError, IndexError) as error:
            return self._unreadable(offset, offset, str(error))
        at_ms = self.max_timestamp if self.timestamp_type else self.first_timestamp + delta
        return DefaultRecord(length, offset, _moment(at_ms), self.timestamp_type, key, value, headers)

    def _unreadable(self, first: int, last: int, why: str) -> DefaultRecord:
        value = Unreadable(first, why)
        return DefaultRecord(0, last, _moment(self.max_timestamp), self.timestamp_type, None, value, [])


def _moment(milliseconds: int) -> int:
    return max(0, min(milliseconds, _LATEST_MS))


def _fields(body: bytes, at: int) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]:
    """Return key, value and headers of a record; raises ValueError or IndexError."""
    key, at = _bytes(body, at)
    value, at = _bytes(body, at)
    count, at = decode_varint(body, at)
    if not 0 <= count <= RECORD_HEADERS:
        msg = f"it has {count} headers; at most {RECORD_HEADERS} are read"
        raise ValueError(msg)
    headers = []
    for _ in range(count):
        name, at = _bytes(body, at)
        content, at = _bytes(body, at)
        if name is None:
            msg = "a header has no name"
            raise ValueError(msg)
        headers.append((_name(name), content))
    if at != len(body):
        msg = f"it has {len(body) - at} bytes after its headers"
        raise ValueError(msg)
    return key, value, headers


def _name(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        msg = "the name of a header is not UTF-8"
        raise ValueError(msg) from error


def _bytes(body: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(body, at)
    if length < 0:
        return None, at
    if length > len(body) - at:
        msg = f"a field of {length} bytes reaches past its end"
        raise ValueError(msg)
    return body[at : at + length], at + length


class _Stream:
    """The inflated data of a batch; holds at most the largest record and one piece."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, INFLATED_BYTES
        self._held, self._at = b"", 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7
            if shift > 63:
                msg = "a length in its batch is not a number"
                raise ValueError(msg)

    def take(self, count: int) -> bytes:
        missing = count - (len(self._held) - self._at)
        if missing > 0:
            pieces = [self._held[self._at :]]
            while missing > 0:
                pieces.append(self._piece())
                missing -= len(pieces[-1])
            self._held, self._at = b"".join(pieces), 0
        taken = self._held[self._at : self._at + count]
        self._at += count
        return taken

    def skip(self, count: int) -> None:
        count -= len(self._held) - self._at
        while count > 0:
            self._held, self._at = self._piece(), 0
            count -= len(self._held)
        self._at = len(self._held) + count

    def _piece(self) -> bytes:
        piece = next(self._pieces, b"")
        if not piece:
            msg = "its batch ends within a record"
            raise ValueError(msg)
        self._left -= len(piece)
        if self._left < 0:
            msg = f"its batch inflates to more than {INFLATED_BYTES} bytes"
            raise ValueError(msg)
        return piece
