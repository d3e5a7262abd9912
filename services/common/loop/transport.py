"""Kafka as the loop sees it: poll, publish durably, commit, hold the partitions while something is away."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CommitFailedError, IllegalStateError, KafkaError, RebalanceInProgressError
from kafka.structs import OffsetAndMetadata

from services.common import metrics
from services.common.errors import Fatal, Retriable
from services.common.loop.handler import Message
from services.common.settings import ServiceSettings
from services.common.topics import MAX_MESSAGE_BYTES

Offsets = dict[tuple[str, int], int]

_BOOTSTRAP_MS: Final = 10_000
_RECONNECT_MS: Final = 2_000
"""The client's own 30 s would leave a service idle long after a broker is back."""


class PartitionsLostError(Exception):
    """The group gave these partitions to another worker, which will handle the batch again."""


@dataclass(frozen=True)
class RawRecord:
    """A record as it came, not parsed."""

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

    def __init__(self, settings: ServiceSettings, group: str, topics: Sequence[str]) -> None:
        """Connect; raises Retriable when no broker answers."""
        self._stage = group
        self._batch_size = settings.batch_size
        self._topics = list(topics)
        try:
            self._producer = producer(settings)
            self._consumer = KafkaConsumer(
                bootstrap_servers=settings.kafka_bootstrap.split(","),
                group_id=settings.group_prefix + group,
                client_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=_BOOTSTRAP_MS,
                reconnect_backoff_max_ms=_RECONNECT_MS,
                session_timeout_ms=settings.session_timeout_ms,
                heartbeat_interval_ms=settings.session_timeout_ms // 4,
                max_poll_records=settings.batch_size,
                max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
                fetch_max_bytes=2 * MAX_MESSAGE_BYTES,
            )
        except KafkaError as error:
            msg = f"no Kafka broker at {settings.kafka_bootstrap} (XRAY_KAFKA_BOOTSTRAP): {error!r}"
            raise Retriable(msg, server="kafka", kind=type(error).__name__) from error

    def subscribe(self, needed: Iterable[str]) -> None:
        """Join the group; raises Fatal when a topic in `needed` does not exist."""
        try:
            existing = self._consumer.topics()
        except KafkaError as error:
            msg = f"could not list topics: {error!r}"
            raise Retriable(msg, server="kafka", kind=type(error).__name__) from error
        missing = sorted(set(needed) - set(existing))
        if missing:
            msg = f"topics {', '.join(missing)} do not exist; run `xray init`"
            raise Fatal(msg)
        self._consumer.subscribe(self._topics)

    @property
    def assigned(self) -> int:
        """How many partitions this worker holds."""
        return len(self._consumer.assignment())

    def poll(self, timeout: float) -> list[RawRecord]:
        """Return up to a batch of records, in order within each partition; `timeout` in seconds."""
        try:
            polled = self._consumer.poll(timeout_ms=int(timeout * 1000), max_records=self._batch_size)
        except KafkaError as error:
            raise _sorted("poll", error) from error
        return [_raw(record) for records in polled.values() for record in records]

    def publish(self, messages: Iterable[Message]) -> None:
        """Send all messages and return once the broker has acknowledged every one; else raise Retriable."""
        encoded = [(message.topic.name, message.event.key.encode(), message.event.encode()) for message in messages]
        try:
            futures = [self._producer.send(topic, key=key, value=value) for topic, key, value in encoded]
            for future in futures:
                future.get(timeout=60)
        except KafkaError as error:
            raise _sorted("publish", error) from error
        metrics.written_bytes(self._stage, "kafka", sum(len(value) for _, _, value in encoded))

    def commit(self, offsets: Offsets) -> None:
        """Commit the next offset of each partition; raises PartitionsLostError when the group has moved on."""
        committed = {TopicPartition(*where): OffsetAndMetadata(offset, "", -1) for where, offset in offsets.items()}
        try:
            self._consumer.commit(committed, timeout_ms=30_000)
        except (CommitFailedError, RebalanceInProgressError, IllegalStateError) as error:
            raise PartitionsLostError from error
        except KafkaError as error:
            raise _sorted("commit", error) from error

    def hold(self, seconds: float, partitions: Collection[tuple[str, int]]) -> None:
        """Wait while staying a member of the group, fetching nothing.

        Raises PartitionsLostError when one of `partitions` was moved to another worker meanwhile.
        """
        end = time.monotonic() + seconds
        held = {TopicPartition(*where) for where in partitions}
        while True:
            self._consumer.pause(*self._consumer.assignment())
            early = self._consumer.poll(timeout_ms=int(max(0.0, min(0.5, end - time.monotonic())) * 1000))
            # A partition that a rebalance just gave us is not paused yet: put its records back.
            self._rewind({where: records[0].offset for where, records in early.items()})
            if not held <= self._consumer.assignment():
                self.release()
                raise PartitionsLostError
            if time.monotonic() >= end:
                return

    def release(self) -> None:
        """Fetch again after `hold`."""
        self._consumer.resume(*self._consumer.paused())

    def rewind(self, offsets: Offsets) -> None:
        """Deliver again from these offsets, where the partition is still ours."""
        self._rewind({TopicPartition(*where): offset for where, offset in offsets.items()})

    def close(self) -> None:
        """Leave the group without committing and close both clients."""
        self._consumer.close(autocommit=False, timeout_ms=5_000)
        self._producer.close(timeout=5)

    def _rewind(self, offsets: Mapping[Any, int]) -> None:
        for where, offset in offsets.items():
            if where in self._consumer.assignment():
                self._consumer.seek(where, offset)


def producer(settings: ServiceSettings) -> Any:
    """Return an idempotent producer that gives up on a dead broker soon enough for the loop to keep its partitions."""
    return KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap.split(","),
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        linger_ms=0,
        compression_type="gzip",
        max_request_size=MAX_MESSAGE_BYTES,
        bootstrap_timeout_ms=_BOOTSTRAP_MS,
        reconnect_backoff_max_ms=_RECONNECT_MS,
        max_block_ms=10_000,
        request_timeout_ms=10_000,
        delivery_timeout_ms=30_000,
    )


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


def _sorted(what: str, error: KafkaError) -> Exception:
    name = type(error).__name__
    if any(word in name for word in ("Authorization", "Authentication", "Configuration", "UnsupportedVersion")):
        return Fatal(f"Kafka refused to {what}: {error!r}; check XRAY_KAFKA_BOOTSTRAP and the access rights")
    return Retriable(f"Kafka away, could not {what}: {error!r}", server="kafka", kind=name)
