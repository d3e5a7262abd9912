"""What a service gives to the loop: a handler that turns records into outcomes, and the topics of the service."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Generic, Protocol, TypeVar, cast, runtime_checkable

from services.common.errors import Rejected
from services.common.events import Event
from services.common.topics import Topic

E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True)
class ServiceTopics(Generic[E]):
    """The topics of one service; `E` is the event, or the union of the events, of its inputs.

    `name` is also the name of its consumer group. It reads `inputs` within that group and writes `outputs`. It reads
    `followed` to their end without a group, to know the present state. `observed` are the inputs whose unreadable
    records another service rejects: this one only counts them.
    """

    name: str
    inputs: tuple[Topic, ...]
    outputs: tuple[Topic, ...] = ()
    followed: tuple[Topic, ...] = ()
    observed: tuple[Topic, ...] = ()

    @cached_property
    def events(self) -> Mapping[str, type[E]]:
        """The event of each input by the topic's name."""
        return {topic.name: cast("type[E]", topic.event) for topic in self.inputs}

    @property
    def required(self) -> set[str]:
        """Names of the topics that must exist before the service starts."""
        return {topic.name for topic in (*self.inputs, *self.outputs, *self.followed)}

    def observes(self, topic: str) -> bool:
        """Whether another service rejects the unreadable records of this input."""
        return topic in {one.name for one in self.observed}


@dataclass(frozen=True)
class Record(Generic[E_co]):
    """One record of a topic with its parsed event."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    event: E_co


@dataclass(frozen=True)
class Message:
    """An event to publish; its key decides the partition."""

    topic: Topic
    event: Event


@dataclass(frozen=True)
class Done:
    """A record was handled; `skipped` is the reason why it needed no work (counted, never an error)."""

    messages: tuple[Message, ...] = ()
    skipped: str | None = None


Outcome = Done | Rejected


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

    @abstractmethod
    def start(self) -> None:
        """Check what the service needs; raises Fatal or Retriable."""

    @abstractmethod
    def handle_one(self, record: Record[E]) -> Done:
        """Handle one record; raises Rejected for a bad one."""

    def handle(self, records: Sequence[Record[E]]) -> list[Outcome]:
        """Handle all records; if one fails, the others finish first."""
        futures = [self._pool.submit(self._outcome, record) for record in records]
        wait(futures)
        return [future.result() for future in futures]

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        """Remember nothing between batches."""

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()

    def _outcome(self, record: Record[E]) -> Outcome:
        try:
            return self.handle_one(record)
        except Rejected as rejected:
            return rejected
