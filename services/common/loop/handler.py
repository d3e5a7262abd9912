"""What a service brings to the loop: a handler that turns records into outcomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from services.common.errors import Rejected
from services.common.events import Event, SpecimenReady, TensorReady
from services.common.topics import Topic

E_co = TypeVar("E_co", bound=Event, covariant=True)


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
    """A record was dealt with; `skipped` says why nothing was to be done (counted, never an error)."""

    messages: tuple[Message, ...] = ()
    skipped: str | None = None


Outcome = Done | Rejected


class Handler(Protocol):
    """A service's own work. Effects must be deterministic and idempotent: any batch may be handled again."""

    stage: str
    inputs: Mapping[str, type[Event]]
    outputs: Sequence[Topic]
    observed: Collection[str]
    """Inputs whose unreadable records another service refuses: here they are only counted."""

    def start(self) -> None:
        """Check what the service needs; raises Fatal or Retriable."""

    def handle(self, records: Sequence[Record[Event]]) -> list[Outcome]:
        """Return one outcome a record, in order, with every effect but publishing durable.

        Raises Retriable to have the whole batch handled again, Fatal to stop the process.
        """

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        """Learn that the broker holds every message of these outcomes."""

    def close(self) -> None:
        """Release what `start` took."""


class PerRecordHandler(ABC):
    """A handler whose records do not depend on each other: they are handled side by side by threads."""

    stage: str
    inputs: Mapping[str, type[Event]]
    outputs: Sequence[Topic]
    observed: Collection[str] = ()

    def __init__(self, workers: int) -> None:
        """Keep `workers` threads for the life of the service."""
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="worker")

    @abstractmethod
    def start(self) -> None:
        """Check what the service needs; raises Fatal or Retriable."""

    @abstractmethod
    def handle_one(self, record: Record[Event]) -> Done:
        """Handle one record; raises Rejected for a bad one."""

    def handle(self, records: Sequence[Record[Event]]) -> list[Outcome]:
        """Handle all records; one that fails does not stop the others from finishing first."""
        futures = [self._pool.submit(self._outcome, record) for record in records]
        wait(futures)
        return [future.result() for future in futures]

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:  # noqa: B027 - most services remember nothing
        """Nothing is remembered between batches."""

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _outcome(self, record: Record[Event]) -> Outcome:
        try:
            return self.handle_one(record)
        except Rejected as rejected:
            return rejected


def newest_revisions(records: Sequence[Record[Event]]) -> set[int]:
    """Return the indices of the records that hold the newest revision of their specimen in this batch.

    Sets only grow, so an older revision is a subset of the newer one and its result would be replaced at once.
    """
    newest: dict[tuple[str, int], tuple[int, int]] = {}
    for index, record in enumerate(records):
        event = record.event
        if isinstance(event, SpecimenReady | TensorReady):
            specimen = (event.biological_sample_id, event.preprocessing_generation)
            newest[specimen] = max(newest.get(specimen, (0, -1)), (event.revision, index))
    return {index for _, index in newest.values()}
