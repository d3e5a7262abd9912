"""Finds a specimen's records on the topics: only in its partition, only around the times that the ledger gives."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kafka import TopicPartition
from kafka.partitioner.default import murmur2

from services.common.errors import Rejected
from services.common.events import Event
from services.common.kafka.clients import reader
from services.common.kafka.reading import OffsetRange, partitions_of, read
from services.common.loop.retries import RetryState, retry_state
from services.common.settings import Settings
from services.common.topics import Topic

MOST_RECORDS: Final = 200_000
"""Most records read of one topic: a day of a busy partition."""
_SLACK: Final = timedelta(seconds=2)
"""The clocks of the services and the timestamps of their records differ a little."""

Window = tuple[datetime, datetime]


@dataclass(frozen=True)
class TraceRecord:
    """A record of the specimen: when it was published, and where it is."""

    topic: str
    partition: int
    offset: int
    published_at: datetime
    event: Event
    retry: RetryState | None = None
    """What has happened to a record on a retry topic."""


@dataclass(frozen=True)
class TraceRecords:
    """The records found; `cut_short` lists topics of which the last part was too long to be read."""

    records: tuple[TraceRecord, ...]
    read: int
    cut_short: tuple[str, ...]


def partition_of(key: str, count: int) -> int:
    """Return the partition of a key, as every Kafka client chooses it (murmur2)."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % count


def find_records(settings: Settings, specimen: str, windows: Iterable[tuple[Topic, Sequence[Window]]]) -> TraceRecords:
    """Read the windows of each topic; raises Retriable when the broker is unreachable."""
    found: list[TraceRecord] = []
    count, cut_short = 0, []
    with reader(settings) as consumer:
        for topic, ranges in windows:
            numbers = partitions_of(consumer, topic.name)
            where = numbers[partition_of(specimen, len(numbers))]
            left = MOST_RECORDS
            for one in _ranges(consumer, where, merged(ranges)):
                length = min(left, one.end - one.start)
                if length < one.end - one.start:
                    cut_short.append(topic.name)
                records = read(consumer, {where: OffsetRange(one.start, one.start + length)})
                found.extend(_records_of(records, specimen, topic))
                left, count = left - length, count + length
    return TraceRecords(tuple(found), count, tuple(dict.fromkeys(cut_short)))


def merged(windows: Iterable[Window]) -> list[Window]:
    """Widen windows by two seconds at both ends and merge those that overlap, so that no record is read twice."""
    result: list[Window] = []
    for start, end in sorted((start - _SLACK, end + _SLACK) for start, end in windows):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def _ranges(consumer: Any, where: TopicPartition, windows: Iterable[Window]) -> Iterator[OffsetRange]:
    end_offset = consumer.end_offsets([where])[where]

    def at(moment: datetime) -> int:
        found = consumer.offsets_for_times({where: int(moment.timestamp() * 1000)})[where]
        return end_offset if found is None else int(found.offset)

    for start, end in windows:
        yield OffsetRange(at(start), at(end))


def _records_of(records: Iterable[Any], specimen: str, topic: Topic) -> Iterator[TraceRecord]:
    for record in records:
        if record.key != specimen.encode():
            continue
        try:
            event = topic.parse(record.value)
        except Rejected:
            continue
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        retry = retry_state(tuple(record.headers))[0] if topic.delay_seconds else None
        yield TraceRecord(topic.name, record.partition, record.offset, at, event, retry)
