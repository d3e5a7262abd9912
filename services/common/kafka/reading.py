"""Reads stretches of topics: bounded, outside any group, committing nothing.

What kafka-python answers with None while a slow broker has not told it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from services.common.errors import Fatal, Retriable


def position_of(consumer: Any, where: TopicPartition) -> int:
    """Return the offset of a partition's next record.

    Raises KafkaTimeoutError if the broker has not told it in time.
    """
    position: int | None = consumer.position(where)
    if position is None:
        msg = f"the broker did not tell the position in {where.topic} {where.partition} in time"
        raise KafkaTimeoutError(msg)
    return position


def partitions_of(consumer: Any, topic: str) -> list[TopicPartition]:
    """Return a topic's partitions in order. Raises KafkaTimeoutError if the broker has not told them in time."""
    numbers: set[int] | None = consumer.partitions_for_topic(topic)
    if numbers is None:
        msg = f"the broker did not tell the partitions of {topic} in time"
        raise KafkaTimeoutError(msg)
    return [TopicPartition(topic, number) for number in sorted(numbers)]


Offsets = dict[TopicPartition, int]
_PATIENCE_SECONDS: Final = 30.0
_POLL_RECORDS: Final = 5_000


@dataclass(frozen=True)
class OffsetRange:
    """Offsets from `start` up to, not including, `end`."""

    start: int
    end: int


def read(consumer: Any, stretches: Mapping[TopicPartition, OffsetRange]) -> Iterator[Any]:
    """Yield the records of these stretches, in order within each partition.

    `consumer` is one of `services.common.kafka.clients.reader`. What retention or compaction has removed is skipped.
    Raises Retriable when the broker sends nothing for 30 s.
    """
    waiting = {where: one for where, one in stretches.items() if one.start < one.end}
    consumer.unsubscribe()
    consumer.assign(list(waiting))
    for where, one in waiting.items():
        consumer.seek(where, one.start)
    heard = time.monotonic()
    while waiting:
        polled = consumer.poll(timeout_ms=500, max_records=_POLL_RECORDS)
        if polled:
            heard = time.monotonic()
        for where, records in polled.items():
            end = waiting[where].end if where in waiting else -1
            yield from (record for record in records if record.offset < end)
        for where in [where for where, one in waiting.items() if consumer.position(where) >= one.end]:
            del waiting[where]
            consumer.pause(where)
        if time.monotonic() - heard > _PATIENCE_SECONDS:
            listing = ", ".join(f"{where.topic}/{where.partition}" for where in waiting)
            raise Retriable(f"Kafka sent nothing of {listing} for {_PATIENCE_SECONDS:.0f} s", server="kafka")


def partitions(consumer: Any, topic: str) -> list[TopicPartition]:
    """Return all partitions of a topic; raises Fatal when there is no such topic."""
    found = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
    if not found:
        msg = f"topic {topic} does not exist; run `xray init`"
        raise Fatal(msg)
    return found
