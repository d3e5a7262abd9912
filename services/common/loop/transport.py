"""Kafka as the loop uses it: poll, publish durably, commit, hold the partitions while a server is away.

Every wait here is bounded, and short once the process was asked to stop, so that it stops whatever the broker does.
"""

import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from kafka import TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    KafkaTimeoutError,
    RebalanceInProgressError,
)
from kafka.structs import OffsetAndMetadata

from services.common import metrics
from services.common.errors import Rejected, Retriable
from services.common.events import Rejection
from services.common.kafka.clients import open_consumer, open_producer
from services.common.kafka.errors import TOO_LARGE, missing_topics, translated
from services.common.kafka.reading import identity_of, is_pattern
from services.common.loop.delays import DelayedPartitions
from services.common.loop.handler import Message
from services.common.settings import ServiceSettings
from services.common.topics import MAX_MESSAGE_BYTES

Offsets = dict[tuple[str, int], int]
_ACKNOWLEDGED_SECONDS: Final = 60
_COMMIT_MS: Final = 10_000
_SLICE_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 5.0
"""How long a batch may still wait for the broker once the process was asked to stop."""
_CLOSE_SECONDS: Final = 3
_METADATA_MS: Final = 30_000
"""The longest time until a new topic that matches a pattern is read; kafka-python's default is five minutes."""


class StopRequestedError(Exception):
    """The process was asked to stop while it waited for a server that is away."""


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
    topic_id: str = ""
    """Differs after a topic was deleted and created again."""


class KafkaTransport:
    """One consumer in a group and one idempotent producer (acks=all).

    Offsets are never committed automatically. Not thread-safe.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        group: str,
        topics: Sequence[str],
        stop: threading.Event | None = None,
        delays: Mapping[str, float] | None = None,
    ) -> None:
        """Connect; raises Retriable when no broker answers.

        `topics` are names, or patterns that begin with ^: not both. `stop` ends every wait soon after it is set;
        `delays` are the seconds of each retry topic.
        """
        self._stage = group
        self._stop = stop or threading.Event()
        self._stop_by: float | None = None
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
            metadata_max_age_ms=_METADATA_MS,
        )
        self._delays = DelayedPartitions(self._consumer, delays or {})

    def subscribe(self, needed: Iterable[str]) -> None:
        """Join the group; raises Fatal when a topic in `needed` does not exist."""
        with translated("list topics"):
            existing = self._consumer.topics()
        missing = sorted(set(needed) - set(existing))
        if missing:
            raise missing_topics(*missing)
        if patterns := [name for name in self._topics if is_pattern(name)]:
            self._consumer.subscribe(pattern="|".join(patterns))
        else:
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
        return [
            _raw(record, identity_of(self._consumer, where.topic))
            for where, records in polled.items()
            for record in self._delays.due(where, records)
        ]

    def publish(self, messages: Iterable[Message]) -> None:
        """Send all messages and return once the broker has acknowledged all of them.

        A rejection that is too large for the broker is sent in its smallest form. Raises Retriable when the broker does
        not acknowledge, also for another message that is too large: nothing is dropped, and the broker's limit can be
        raised. Raises StopRequestedError when the process was asked to stop and the broker does not answer soon.
        """
        until = time.monotonic() + _ACKNOWLEDGED_SECONDS
        try:
            with translated("publish"):
                sent = [(message, self._send(message)) for message in messages]
                size = sum(self._acknowledged(message, future, until) for message, future in sent)
        except Rejected as error:
            raise Retriable(error.message, server="kafka", kind=error.reason) from error
        metrics.written_bytes(self._stage, "kafka", size)

    def _send(self, message: Message) -> Any:
        try:
            return self._producer.send(
                message.topic.name, key=message.key, value=message.value, headers=list(message.headers)
            )
        except TOO_LARGE as error:
            return self._send(_smaller(message, error))

    def _acknowledged(self, message: Message, future: Any, until: float) -> int:
        """Return the size of the record once the broker has stored it."""
        while not future.is_done:
            self._check_stop()
            if time.monotonic() >= until:
                msg = f"not acknowledged within {_ACKNOWLEDGED_SECONDS} s"
                raise KafkaTimeoutError(msg)
            with suppress(KafkaError):  # raised below, once the future is done
                future.get(timeout=_SLICE_SECONDS)
        try:
            return max(0, int(future.get(timeout=0).serialized_value_size))
        except TOO_LARGE as error:
            smaller = _smaller(message, error)
            return self._acknowledged(smaller, self._send(smaller), until)

    def _check_stop(self) -> None:
        """Raise StopRequestedError some seconds after the process was asked to stop."""
        if not self._stop.is_set():
            return
        self._stop_by = self._stop_by or time.monotonic() + _STOP_SECONDS
        if time.monotonic() >= self._stop_by:
            raise StopRequestedError

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

        Raises PartitionsLostError when the group has moved one of `partitions` to another worker meanwhile, and
        StopRequestedError when the process is asked to stop.
        """
        end = time.monotonic() + seconds
        held = {TopicPartition(*where) for where in partitions}
        while True:
            self._consumer.pause(*self._consumer.assignment())
            early = self._poll_held(max(0.0, min(_SLICE_SECONDS, end - time.monotonic())))
            # A partition that a rebalance has just assigned is not paused yet: put its records back.
            self._rewind({where: records[0].offset for where, records in early.items()})
            if not held <= self._consumer.assignment():
                self.release()
                raise PartitionsLostError
            if self._stop.is_set():
                raise StopRequestedError
            if time.monotonic() >= end:
                return

    def _poll_held(self, seconds: float) -> Mapping[Any, list[Any]]:
        """Stay in the group; no error of Kafka ends the wait, because it may be Kafka that is waited for."""
        try:
            records: Mapping[Any, list[Any]] = self._consumer.poll(timeout_ms=int(seconds * 1000))
        except KafkaError:
            self._stop.wait(seconds)
            return {}
        return records

    def release(self) -> None:
        """Fetch again after `hold`, except from retry topics whose next record is not due."""
        self._consumer.resume(*(self._consumer.paused() - self._delays.waiting))

    def rewind(self, offsets: Offsets) -> None:
        """Deliver again from these offsets, for partitions that this worker still holds."""
        self._rewind({TopicPartition(*where): offset for where, offset in offsets.items()})
        for where in offsets:
            self._delays.fetch_again(TopicPartition(*where))

    def close(self) -> None:
        """Leave the group without committing and close both clients."""
        with suppress(KafkaError):  # a broker that does not answer delays no stop
            self._consumer.close(autocommit=False, timeout_ms=_CLOSE_SECONDS * 1000)
        with suppress(KafkaError):
            self._producer.close(timeout=_CLOSE_SECONDS)

    def _rewind(self, offsets: Mapping[Any, int]) -> None:
        for where, offset in offsets.items():
            if where in self._consumer.assignment():
                self._consumer.seek(where, offset)


def _smaller(message: Message, error: Exception) -> Message:
    """Return the smallest form of a rejection; raises `error` for any other event and if nothing can be left out."""
    event = message.event
    if not isinstance(event, Rejection) or event.is_smallest:
        raise error
    return Message(message.topic, event.smallest())


def _raw(record: Any, topic_id: str) -> RawRecord:
    return RawRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        key=record.key,
        value=record.value,
        headers=tuple((name, value or b"") for name, value in record.headers),
        topic_id=topic_id,
    )
