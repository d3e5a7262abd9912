"""Kafka as the loop uses it: poll, publish durably, commit, hold the partitions while a server is away."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from kafka import TopicPartition
from kafka.errors import CommitFailedError, IllegalStateError, RebalanceInProgressError
from kafka.structs import OffsetAndMetadata

from services.common import metrics
from services.common.errors import Rejected, Retriable
from services.common.kafka.clients import open_consumer, open_producer
from services.common.kafka.errors import missing_topics, translated
from services.common.loop.delays import DelayedPartitions, resume
from services.common.loop.handler import Message
from services.common.settings import ServiceSettings
from services.common.topics import MAX_MESSAGE_BYTES

Offsets = dict[tuple[str, int], int]
_ACKNOWLEDGED_SECONDS: Final = 60
_COMMIT_MS: Final = 30_000


class PartitionsLostError(Exception):
    """The group gave these partitions to another worker, which will handle the batch again."""


@dataclass(frozen=True)
class RawRecord:
    """A record as it arrived, not parsed."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class KafkaTransport:
    """One consumer in a group and one idempotent producer (acks=all).

    Offsets are never committed automatically. Not thread-safe.
    """

    def __init__(
        self, settings: ServiceSettings, group: str, topics: Sequence[str], delays: Mapping[str, float] | None = None
    ) -> None:
        """Connect; raises Retriable when no broker answers. `delays` are the seconds of each retry topic."""
        self._stage = group
        self._batch_size = settings.batch_size
        self._topics = list(topics)
        self._producer = open_producer(settings)
        self._consumer = open_consumer(
            settings,
            group_id=settings.group_prefix + group,
            client_id=group,
            auto_offset_reset="earliest",
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.session_timeout_ms // 4,
            max_poll_records=settings.batch_size,
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
            fetch_max_bytes=2 * MAX_MESSAGE_BYTES,
        )
        self._delays = DelayedPartitions(self._consumer, delays or {})

    def subscribe(self, needed: Iterable[str]) -> None:
        """Join the group; raises Fatal when a topic in `needed` does not exist."""
        with translated("list topics"):
            existing = self._consumer.topics()
        missing = sorted(set(needed) - set(existing))
        if missing:
            raise missing_topics(*missing)
        self._consumer.subscribe(self._topics)

    @property
    def assigned(self) -> int:
        """Number of partitions that this worker holds."""
        return len(self._consumer.assignment())

    def poll(self, timeout: float) -> list[RawRecord]:
        """Return up to a batch of records that are due, in order within each partition; `timeout` in seconds."""
        with translated("poll"):
            self._delays.resume_due()
            polled = self._consumer.poll(timeout_ms=int(timeout * 1000), max_records=self._batch_size)
            return [_raw(one) for where, records in polled.items() for one in self._delays.due(where, records)]

    def publish(self, messages: Iterable[Message]) -> None:
        """Send all messages and return once the broker has acknowledged all of them.

        Raises Retriable when it does not, also for a message that is too large: nothing is dropped, and the broker's
        limit can be raised.
        """
        encoded = [(one.topic.name, one.key, one.value, list(one.headers)) for one in messages]
        try:
            with translated("publish"):
                futures = [
                    self._producer.send(topic, key=key, value=value, headers=headers)
                    for topic, key, value, headers in encoded
                ]
                for future in futures:
                    future.get(timeout=_ACKNOWLEDGED_SECONDS)
        except Rejected as error:
            raise Retriable(error.message, server="kafka", kind=error.reason) from error
        metrics.written_bytes(self._stage, "kafka", sum(len(value or b"") for _, _, value, _ in encoded))

    def commit(self, offsets: Offsets) -> None:
        """Commit the next offset of each partition; raises PartitionsLostError when the group has moved on."""
        committed = {TopicPartition(*where): OffsetAndMetadata(offset, "", -1) for where, offset in offsets.items()}
        with translated("commit"):
            try:
                self._consumer.commit(committed, timeout_ms=_COMMIT_MS)
            except (CommitFailedError, RebalanceInProgressError, IllegalStateError) as error:
                raise PartitionsLostError from error

    def hold(self, seconds: float, partitions: Collection[tuple[str, int]]) -> None:
        """Wait as a member of the group without fetching anything.

        Raises PartitionsLostError when the group has moved one of `partitions` to another worker meanwhile.
        """
        end = time.monotonic() + seconds
        held = {TopicPartition(*where) for where in partitions}
        while True:
            self._consumer.pause(*self._consumer.assignment())
            early = self._consumer.poll(timeout_ms=int(max(0.0, min(0.5, end - time.monotonic())) * 1000))
            # A partition that a rebalance has just assigned is not paused yet: put its records back.
            self._rewind({where: records[0].offset for where, records in early.items()})
            if not held <= self._consumer.assignment():
                self.release()
                raise PartitionsLostError
            if time.monotonic() >= end:
                return

    def release(self) -> None:
        """Fetch again after `hold`, except from retry topics whose next record is not due."""
        resume(self._consumer, *(self._consumer.paused() - self._delays.waiting))

    def rewind(self, offsets: Offsets) -> None:
        """Deliver again from these offsets, for partitions that this worker still holds."""
        self._rewind({TopicPartition(*where): offset for where, offset in offsets.items()})
        for where in offsets:
            self._delays.fetch_again(TopicPartition(*where))

    def close(self) -> None:
        """Leave the group without committing and close both clients."""
        self._consumer.close(autocommit=False, timeout_ms=5_000)
        self._producer.close(timeout=5)

    def _rewind(self, offsets: Mapping[Any, int]) -> None:
        for where, offset in offsets.items():
            if where in self._consumer.assignment():
                self._consumer.seek(where, offset)


def _raw(record: Any) -> RawRecord:
    return RawRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=datetime.fromtimestamp(max(0, record.timestamp) / 1000, UTC),
        key=record.key,
        value=record.value,
        headers=tuple((name, value or b"") for name, value in record.headers),
    )
