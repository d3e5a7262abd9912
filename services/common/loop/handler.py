"""What a service gives to the loop: a handler that turns records into outcomes, and the topics of the service."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, cast, runtime_checkable

from services.common.errors import Fatal, Rejected, Retriable, SourceUnavailable
from services.common.events import Event, parse_event
from services.common.loop.fault_points import reached
from services.common.loop.faults import unexpected
from services.common.loop.retries import Headers, RetryState
from services.common.topics import CentreTopics, Topic

E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True)
class ServiceTopics(Generic[E]):
    """The topics of one service; `E` is the event, or the union of the events, of its inputs.

    `name` is also the name of its consumer group. It reads `inputs` within that group and writes `outputs`. It reads
    `followed` to their end without a group, to know the present state. `observed` are the inputs whose unreadable
    records another service rejects: this one only counts them. Inputs with a delay are retry topics: the service itself
    writes to them the records whose source does not answer. A service of `per_centre` topics reads all of them that the
    broker has, and no other input.
    """

    name: str
    inputs: tuple[Topic, ...]
    outputs: tuple[Topic, ...] = ()
    followed: tuple[Topic, ...] = ()
    observed: tuple[Topic, ...] = ()
    per_centre: CentreTopics | None = None

    @cached_property
    def inputs_by_name(self) -> Mapping[str, Topic]:
        """The inputs by their names, in their order."""
        return {topic.name: topic for topic in self.inputs}

    def parse(self, topic: str, value: bytes | None) -> E:
        """Parse one value of an input; raises Rejected as `parse_event` does."""
        if self.per_centre is not None:
            return cast(E, parse_event(self.per_centre.event, value))
        return cast(E, self.inputs_by_name[topic].parse(value))

    @property
    def subscription(self) -> list[str]:
        """The names of the inputs; a name that begins with ^ is a pattern, as in librdkafka."""
        return list(self.inputs_by_name) if self.per_centre is None else [self.per_centre.pattern]

    @property
    def retries(self) -> tuple[Topic, ...]:
        """The retry topics among the inputs, by their delay."""
        return tuple(sorted((one for one in self.inputs if one.delay_seconds), key=lambda one: one.delay_seconds))

    @property
    def delays(self) -> dict[str, float]:
        """The delay of each retry topic in seconds, by its name."""
        return {topic.name: topic.delay_seconds for topic in self.retries}

    @property
    def required(self) -> set[str]:
        """Names of the topics that must exist before the service starts."""
        return {topic.name for topic in (*self.inputs, *self.outputs, *self.followed)}

    def observes(self, topic: str) -> bool:
        """Whether another service rejects the unreadable records of this input."""
        return topic in {one.name for one in self.observed}


@dataclass(frozen=True)
class Record(Generic[E_co]):
    """One record of a topic with its parsed event.

    A record from a retry topic looks as it did where it was announced (topic, position, timestamp and headers), with
    its `retry` state.
    """

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    event: E_co
    retry: RetryState | None = None
    topic_id: str = ""


@dataclass(frozen=True)
class Message:
    """An event to publish; its key decides the partition. With `record`, that record's own bytes are passed on."""

    topic: Topic
    event: Event
    headers: Headers = ()
    record: Record[Event] | None = None

    @property
    def key(self) -> bytes | None:
        """The key to send."""
        return self.event.key.encode() if self.record is None else self.record.key

    @property
    def value(self) -> bytes | None:
        """The value to send."""
        return self.event.encode() if self.record is None else self.record.value


@dataclass(frozen=True)
class Done:
    """A record was handled; `skipped` is the reason why it needed no work (counted, never an error).

    `parked` is the reason why its only message is itself, on a retry topic: the source of its image does not answer, or
    it has used its share of time.
    """

    messages: tuple[Message, ...] = ()
    skipped: str | None = None
    parked: SourceUnavailable | None = None


class Held(Rejected):
    """A record was rejected, and the consequence for its specimen is published with the rejection."""

    def __init__(self, reason: str, message: str, messages: tuple[Message, ...], **details: Any) -> None:
        """Keep the messages to publish."""
        super().__init__(reason, message, **details)
        self.messages = messages


Outcome = Done | Rejected


def messages_of(outcome: Outcome) -> tuple[Message, ...]:
    """Return what an outcome publishes, apart from its own rejection."""
    return outcome.messages if isinstance(outcome, Done | Held) else ()


class Handler(Protocol[E]):
    """A service's own work. Effects must be deterministic and idempotent: any batch may be handled again."""

    topics: ServiceTopics[E]

    def start(self) -> None:
        """Check what the service needs; raises Fatal or Retriable."""

    def handle(self, records: Sequence[Record[E]]) -> list[Outcome]:
        """Return one outcome per record, in order, after every effect except publishing is durable.

        Raises Retriable to have the whole batch handled again, Fatal to stop the process.
        """

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        """Take note that the broker has stored every message of these outcomes."""

    def close(self) -> None:
        """Release what `start` acquired."""


@runtime_checkable
class Interruptible(Protocol):
    """A handler whose batch may take longer than a process may take to stop."""

    def interrupt(self) -> None:
        """Let a running `handle` raise Retriable within ten seconds unless it is done; called by a signal handler."""


class PerRecordHandler(ABC, Generic[E]):
    """A handler whose records do not depend on each other: threads handle them in parallel."""

    topics: ServiceTopics[E]

    def __init__(self, workers: int) -> None:
        """Keep `workers` threads for the life of the service."""
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._finished: list[tuple[Record[E], Outcome]] = []
        """Outcomes of a batch of which another record waits for a server; the loop hands in the same records again."""

    @abstractmethod
    def start(self) -> None:
        """Check what the service needs; raises Fatal or Retriable."""

    @abstractmethod
    def handle_one(self, record: Record[E]) -> Done:
        """Handle one record; raises Rejected for a bad one."""

    def handle(self, records: Sequence[Record[E]]) -> list[Outcome]:
        """Handle all records at the same time; an unexpected error on one of them is its rejection.

        Raises Retriable or Fatal once the other records have finished. When the loop then repeats the batch, only the
        records without an outcome are handled again.
        """
        finished = {id(record): outcome for record, outcome in self._finished}
        futures = {id(one): self._pool.submit(self._outcome, one) for one in records if id(one) not in finished}
        wait(futures.values())
        errors = [error for future in futures.values() if (error := future.exception()) is not None]
        finished |= {one: future.result() for one, future in futures.items() if future.exception() is None}
        self._finished = [(one, finished[id(one)]) for one in records if id(one) in finished] if errors else []
        for error in errors:
            raise error
        return [finished[id(record)] for record in records]

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        """Remember nothing between batches."""

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()

    def _outcome(self, record: Record[E]) -> Outcome:
        try:
            outcome = self.handle_one(record)
            reached(self.topics.name, "between_effects")
            return outcome
        except (Retriable, Fatal):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a record triggers must not stop the others
            return unexpected(error)
