"""Reads topics outside any consumer group and commits nothing: known ranges of offsets, or a topic to its end.

kafka-python returns None for a position and an empty set for partitions that it does not know. Only this module handles
that.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from services.common.errors import Retriable
from services.common.kafka.batches import Unreadable
from services.common.kafka.clients import open_consumer
from services.common.kafka.errors import missing_topics, translated
from services.common.settings import Settings

log = structlog.get_logger()

Offsets = dict[TopicPartition, int]
_SILENT_SECONDS: Final = 30.0
_POLL_MS: Final = 500
_POLL_RECORDS: Final = 5_000


def position_of(consumer: Any, where: TopicPartition) -> int:
    """Return the offset of a partition's next record; raises KafkaTimeoutError while the broker has not given it."""
    position: int | None = consumer.position(where)
    if position is None:
        msg = f"the broker did not give the position in {where.topic} {where.partition} in time"
        raise KafkaTimeoutError(msg)
    return position


def identity_of(consumer: Any, topic: str) -> str:
    """Return the id that Kafka gave a topic when it was created, or the cluster's id where a broker gives none.

    Offsets begin again when a topic is deleted and created again, so a position alone identifies no record.
    """
    cluster = consumer._cluster  # kafka-python has no public way
    return str(cluster.topic_id(topic) or cluster.cluster_id or "")


def partitions_of(consumer: Any, topic: str) -> list[TopicPartition]:
    """Return a topic's partitions in order; raises Fatal when there is no such topic."""
    numbers = _numbers_of(consumer, topic)
    if not numbers:
        raise missing_topics(topic)
    return [TopicPartition(topic, number) for number in sorted(numbers)]


def is_pattern(name: str) -> bool:
    """Whether this is a regular expression for names of topics, as in librdkafka."""
    return name.startswith("^")


def topics_of(consumer: Any, names: Sequence[str]) -> list[str]:
    """Return names and, for each pattern among them, the topics on the broker that match it."""
    existing: set[str] = consumer.topics() if any(map(is_pattern, names)) else set()
    return [
        topic
        for name in names
        for topic in (sorted(one for one in existing if re.match(name, one)) if is_pattern(name) else [name])
    ]


def _numbers_of(consumer: Any, topic: str) -> set[int]:
    """Return the numbers of a topic's partitions; empty for an unknown topic.

    Asks twice: each call for an unknown topic is a new request, and a broker may learn of a new topic a moment later.
    """
    numbers: set[int] = consumer.partitions_for_topic(topic) or consumer.partitions_for_topic(topic)
    return numbers


def ranges_of(consumer: Any, topics: Sequence[str]) -> dict[TopicPartition, OffsetRange]:
    """Return everything that the topics hold now; raises Fatal that names all topics that do not exist."""
    missing = sorted(topic for topic in topics if not _numbers_of(consumer, topic))
    if missing:
        raise missing_topics(*missing)
    partitions = [where for topic in topics for where in partitions_of(consumer, topic)]
    beginnings, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    return {where: OffsetRange(beginnings[where], ends[where]) for where in partitions}


@dataclass(frozen=True)
class OffsetRange:
    """Offsets from `start` up to, not including, `end`."""

    start: int
    end: int


def read(
    consumer: Any, ranges: Mapping[TopicPartition, OffsetRange], *, keep_unreadable: bool = False
) -> Iterator[Any]:
    """Yield the records of these ranges, in order within each partition.

    `consumer` is one of `services.common.kafka.clients.reader`. Records that retention or compaction has removed are
    skipped, and so are records that cannot be read, unless they are kept: their value is an `Unreadable`. Raises
    Retriable when the broker sends nothing for 30 s, and kafka-python's errors.
    """
    waiting = {where: one for where, one in ranges.items() if one.start < one.end}
    consumer.unsubscribe()
    consumer.assign(list(waiting))
    for where, one in waiting.items():
        consumer.seek(where, one.start)
    ends = {where: one.end for where, one in waiting.items()}
    for record in _read_to(consumer, ends, keep_unreadable=keep_unreadable):
        if record.offset < ends[TopicPartition(record.topic, record.partition)]:
            yield record


def _read_to(consumer: Any, ends: Offsets, *, keep_unreadable: bool = False) -> Iterator[Any]:
    """Yield records until every position has reached its end; the last fetch may yield records after it."""
    waiting = dict(ends)
    last_record = time.monotonic()
    while waiting := {where: end for where, end in waiting.items() if position_of(consumer, where) < end}:
        consumer.pause(*(consumer.assignment() - waiting.keys()))
        polled = consumer.poll(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
        for records in polled.values():
            yield from records if keep_unreadable else filter(_is_readable, records)
        if polled:  # after the records: the time that the caller takes for them is not the broker's
            last_record = time.monotonic()
        if time.monotonic() - last_record > _SILENT_SECONDS:
            listing = ", ".join(f"{where.topic}/{where.partition}" for where in waiting)
            message = f"Kafka sent no record of {listing} for {_SILENT_SECONDS:.0f} s"
            raise Retriable(message, server="kafka", kind="slow_read")


def _is_readable(record: Any) -> bool:
    """Whether a record can be read; one that cannot is logged and left out."""
    if isinstance(record.value, Unreadable):
        log.warning(
            "record not readable",
            topic=record.topic,
            partition=record.partition,
            first_offset=record.value.first_offset,
            last_offset=record.offset,
            why=record.value.why,
        )
        return False
    return True


class TopicFollower:
    """Reads one topic from its beginning, and at each later call only what is new. Not thread-safe."""

    def __init__(self, settings: Settings, topic: str) -> None:
        """Prepare; connects at the first `read`."""
        self._settings, self._topic = settings, topic
        self._consumer: Any = None

    def read(self) -> Iterator[Any]:
        """Yield committed records, at least up to the topic's end at the moment of the call.

        Raises Retriable when Kafka is away, Fatal when the topic does not exist. A call that was not finished may have
        lost records that it had fetched, so the next one reads from the beginning.
        """
        try:
            with translated(f"read {self._topic}"):
                yield from self._new()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _new(self) -> Iterator[Any]:
        if self._consumer is None:
            self._consumer = open_consumer(self._settings)
            self._consumer.assign(partitions_of(self._consumer, self._topic))
            self._consumer.seek_to_beginning()
        # A consumer that was not polled for a while does not know the present end, so ask the broker.
        ends: Offsets = self._consumer.end_offsets(list(self._consumer.assignment()))
        self._consumer.resume(*self._consumer.paused())
        yield from _read_to(self._consumer, ends)
