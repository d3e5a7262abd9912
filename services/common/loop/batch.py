"""The batch loop: the only place where offsets are committed.

One step does, in this order:

1. poll a batch;
2. parse every record; a bad one becomes a rejection;
3. call the handler, whose effects are all durable when it returns;
4. publish the outcomes and rejections, and wait until the broker has acknowledged all of them;
5. commit the offsets of the batch.

After a crash between any two of these the batch is handled again; effects are deterministic, so that changes nothing.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Generic, Protocol, TypeVar

import structlog

from services.common import metrics
from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import Event
from services.common.kafka.batches import readable
from services.common.loop.dead_letter import rejection_of
from services.common.loop.fault_points import reached
from services.common.loop.faults import unexpected
from services.common.loop.handler import Done, E, Handler, Message, Outcome, Record, messages_of
from services.common.loop.outcome_log import LogFields, log_outcomes
from services.common.loop.retries import RetryState, retry_state
from services.common.loop.transport import Offsets, PartitionsLostError, RawRecord, StopRequestedError
from services.common.retry import retry
from services.common.topics import REJECTED

log = structlog.get_logger()
T = TypeVar("T")

POLL_SECONDS: Final = 0.5


class Transport(Protocol):
    """What the loop needs from Kafka; see KafkaTransport."""

    @property
    def assigned(self) -> int: ...  # noqa: D102
    def poll(self, timeout: float) -> list[RawRecord]: ...  # noqa: D102
    def publish(self, messages: Iterable[Message]) -> None: ...  # noqa: D102
    def commit(self, offsets: Offsets) -> None: ...  # noqa: D102
    def hold(self, seconds: float, partitions: Sequence[tuple[str, int]]) -> None: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102
    def rewind(self, offsets: Offsets) -> None: ...  # noqa: D102


class BatchLoop(Generic[E]):
    """Runs one handler over its topics, at least once, and commits nothing before its effects are durable."""

    def __init__(
        self,
        handler: Handler[E],
        transport: Transport,
        stop: threading.Event,
        *,
        log_fields: LogFields,
        image_event_id: Callable[[Event], str | None],
    ) -> None:
        """Prepare; `stop` ends the loop after the current batch.

        `log_fields` names what an event is about in the log, `image_event_id` the announcement in a dead letter.
        """
        self._handler = handler
        self._stage = handler.topics.name
        self._transport = transport
        self._stop = stop
        self._log_fields, self._image_event_id = log_fields, image_event_id
        self._announces = handler.topics.per_centre is None
        """An image on a centre's own topic is announced only once it is admitted: refusing a copy of another centre's
        announcement must not mark that centre's image as refused."""
        self.retrying: str | None = None
        """What the loop waits for at present, for the readiness check."""
        self.last_beat = time.monotonic()
        """When the loop last polled or retried, for the liveness check."""

    def run(self) -> None:
        """Step until asked to stop; raises Fatal when the process cannot continue."""
        while not self._stop.is_set():
            try:
                raw = self._retry("poll", lambda: self._transport.poll(POLL_SECONDS), [])
            except (StopRequestedError, PartitionsLostError):
                continue
            self.last_beat = time.monotonic()
            metrics.record_poll(self._stage, self._transport.assigned)
            if raw:
                self._step(raw)

    def _step(self, raw: list[RawRecord]) -> None:
        stage = self._stage
        partitions = sorted({(record.topic, record.partition) for record in raw})
        announced = [self._announced(record) for record in raw]
        parsed = [self._parse(record, state) for record, state in announced]
        reached(stage, "before_effects")
        try:
            with metrics.step(stage, "batch"):
                with metrics.step(stage, "handle"):
                    outcomes = self._retry("handle", lambda: self._outcomes(parsed), partitions)
                reached(stage, "after_effects")
                messages = list(self._messages([record for record, _ in announced], parsed, outcomes))
                with metrics.step(stage, "publish"):
                    self._retry("publish", lambda: self._transport.publish(messages), partitions)
                reached(stage, "after_publish")
                self._handler.acknowledged(outcomes)
                with metrics.step(stage, "commit"):
                    self._retry("commit", lambda: self._transport.commit(_next_offsets(raw)), partitions)
                reached(stage, "after_commit")
        except (PartitionsLostError, StopRequestedError) as reason:
            log.warning("batch given back", records=len(raw), why=type(reason).__name__)
            self._transport.rewind(_first_offsets(raw))
            return
        metrics.batch(stage, raw, outcomes, self._handler.topics.delays)
        log_outcomes(raw, parsed, outcomes, self._log_fields)

    def _outcomes(self, parsed: Sequence[Record[E] | Outcome]) -> list[Outcome]:
        """Handle the records that could be read; return one outcome per record, in order."""
        handled = iter(self._handle([record for record in parsed if isinstance(record, Record)]))
        return [next(handled) if isinstance(record, Record) else record for record in parsed]

    def _announced(self, raw: RawRecord) -> tuple[RawRecord, RetryState | None]:
        """Return a record of a retry topic as it was before it was set aside, so that all that follows names that."""
        topics = self._handler.topics
        if raw.topic not in topics.delays:
            return raw, None
        state, headers = retry_state(raw.headers)
        if state is None or state.topic not in topics.inputs_by_name:
            return raw, None
        first = replace(raw, topic=state.topic, topic_id=state.topic_id, partition=state.partition, offset=state.offset)
        return replace(first, timestamp=state.timestamp, headers=headers), state

    def _parse(self, raw: RawRecord, state: RetryState | None) -> Record[E] | Outcome:
        """Read the event; an unreadable record is rejected, unless another service does that."""
        topics = self._handler.topics
        try:
            event = topics.parse(raw.topic, readable(raw.value, raw.offset))
        except Rejected as rejected:
            return Done(skipped="refused_by_another_service") if topics.observes(raw.topic) else rejected
        position = (raw.topic, raw.partition, raw.offset, raw.timestamp)
        return Record(*position, raw.key, raw.value, raw.headers, event, state, raw.topic_id)

    def _handle(self, records: Sequence[Record[E]]) -> list[Outcome]:
        """Handle all together; after an unexpected error, one by one, so that one bad record costs only itself."""
        if not records:
            return []
        try:
            return self._handler.handle(records)
        except (Retriable, Fatal):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a record triggers must not stop the others
            if len(records) > 1:
                return [outcome for record in records for outcome in self._handle([record])]
            return [unexpected(error)]

    def _messages(
        self, raw: Sequence[RawRecord], parsed: Sequence[Record[E] | Outcome], outcomes: Sequence[Outcome]
    ) -> Iterator[Message]:
        for record, read, outcome in zip(raw, parsed, outcomes, strict=True):
            yield from messages_of(outcome)
            if isinstance(outcome, Rejected):
                image = self._image_event_id(read.event) if isinstance(read, Record) and self._announces else None
                yield Message(REJECTED, rejection_of(self._stage, record, outcome, image))

    def _retry(self, what: str, action: Callable[[], T], partitions: Sequence[tuple[str, int]]) -> T:
        """Retry until it succeeds, holding the partitions; nothing is dropped, however long a server is away."""

        def failed(error: Retriable, seconds: float) -> None:
            self.retrying = str(error)
            self.last_beat = time.monotonic()
            metrics.retried(self._stage, what, error)
            log.warning("will try again", what=what, seconds=round(seconds, 2), why=str(error))

        def pause(seconds: float) -> None:
            if self._stop.is_set():
                raise StopRequestedError
            self._transport.hold(seconds, partitions)

        with self._released():
            return retry(action, pause, failed=failed)

    @contextmanager
    def _released(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self.retrying is not None:
                self.retrying = None
                self._transport.release()


def _next_offsets(raw: Iterable[RawRecord]) -> Offsets:
    offsets: Offsets = {}
    for record in raw:
        where = (record.topic, record.partition)
        offsets[where] = max(offsets.get(where, 0), record.offset + 1)
    return offsets


def _first_offsets(raw: Iterable[RawRecord]) -> Offsets:
    offsets: Offsets = {}
    for record in raw:
        where = (record.topic, record.partition)
        offsets[where] = min(offsets.get(where, record.offset), record.offset)
    return offsets
