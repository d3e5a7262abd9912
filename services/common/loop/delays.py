"""Holds back the records of retry topics until their delay has passed, without touching any other partition."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import TopicPartition


class DelayedPartitions:
    """Pauses a partition of a retry topic whose next record is not due yet. Not thread-safe.

    A topic has one delay for all its records, so due times within a partition never decrease: when a record has to
    wait, all records behind it do. A paused partition costs nothing, and the consumer keeps it.
    """

    def __init__(
        self,
        consumer: Any,
        delays: Mapping[str, float],
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Work on a KafkaConsumer; `delays` are the seconds after a record's timestamp, by topic."""
        self._consumer, self._delays = consumer, dict(delays)
        self._now, self._monotonic = now, monotonic
        self._due_at: dict[TopicPartition, float] = {}

    @property
    def waiting(self) -> set[TopicPartition]:
        """The partitions that must stay paused."""
        return set(self._due_at)

    def resume_due(self) -> None:
        """Fetch again from the partitions whose next record has become due."""
        for where in [where for where, due_at in self._due_at.items() if due_at <= self._monotonic()]:
            self.fetch_again(where)

    def fetch_again(self, where: TopicPartition) -> None:
        """Forget that this partition waits: it was moved to other records."""
        if self._due_at.pop(where, None) is not None and where in self._consumer.assignment():
            self._consumer.resume(where)

    def due(self, where: TopicPartition, records: Sequence[Any]) -> Sequence[Any]:
        """Return the first of these records, as far as they are due; put the others back until they are."""
        delay = self._delays.get(where.topic)
        if delay is None:
            return records
        present = self._now()
        for index, record in enumerate(records):
            # Never longer than the delay, whatever the clocks of the brokers show.
            seconds = min(delay, record.timestamp / 1000 + delay - present)
            if seconds > 0:
                self._due_at[where] = self._monotonic() + seconds
                self._consumer.seek(where, record.offset)
                self._consumer.pause(where)
                return records[:index]
        return records
