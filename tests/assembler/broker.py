"""Kafka, object storage and intake as the assembler's property tests need them: every effect can fail or crash.

One process runs all of it in one thread. `Faults` decides what happens between two effects of one worker.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, cast

from services.assembler.service import Assembler
from services.common.errors import Retriable
from services.common.events import CallWithdrawal, Event, ImageWithdrawal, SpecimenReady, ViewReady
from services.common.events.base import View
from services.common.identity import image_event_id, log_fields
from services.common.keys import specimen_prefix, view_key, withdrawal_key
from services.common.loop import BatchLoop, Message
from services.common.loop.transport import Offsets, PartitionsLostError, RawRecord
from services.common.preprocessing import GENERATION, VERSION
from services.common.topics import REJECTED, VIEWS, WITHDRAWN, Topic
from tests.common.memory_store import MemoryStore

START = datetime(2026, 1, 1, tzinfo=UTC)
PARTITIONS = 2
SLOTS = 2 * PARTITIONS
"""The partitions of `xray.views`, then those of `xray.withdrawn`."""

Effect = Literal["put", "announce", "withdraw", "list", "publish", "commit"]
Kind = Literal[
    "crash before",
    "crash after",
    "away before",
    "away after",
    "rebalance before",
    "rebalance after",
    "away and rebalance before",
    "away and rebalance after",
]


class CrashError(BaseException):
    """The process is killed. Not an Exception, so that no error handling of the program sees it."""


@dataclass
class Faults:
    """What goes wrong at the `nth` occurrence of one effect, before the effect or after it.

    `rebalance` runs in the middle of a worker's step. `reached` is false while the fault has not happened.
    """

    effect: Effect
    nth: int
    kind: Kind
    rebalance: Callable[[], None] = lambda: None
    reached: bool = False
    seen: Counter[Effect] = field(default_factory=Counter)

    def at(self, effect: Effect, act: Callable[[], None]) -> None:
        """Perform one effect, or fail around it."""
        self.seen[effect] += 1
        strikes = effect == self.effect and self.seen[effect] == self.nth and not self.reached
        if strikes and self.kind.endswith("before"):
            self._strike()
        act()
        if strikes and self.kind.endswith("after"):
            self._strike()

    def _strike(self) -> None:
        self.reached = True
        if "crash" in self.kind:
            raise CrashError
        if "rebalance" in self.kind:
            self.rebalance()
        if "away" in self.kind:
            raise Retriable("away")


def no_faults() -> Faults:
    return Faults("commit", 0, "crash before", reached=True)


@dataclass(frozen=True)
class Image:
    """An image that intake has to standardise; the same image may arrive several times."""

    specimen: str
    view: View
    name: str
    centre: str = "JAX"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def key(self) -> str:
        return view_key(VERSION, self.specimen, self.centre, self.view, self.sha256)

    @property
    def withdrawn_key(self) -> str:
        return withdrawal_key(self.specimen, self.centre, self.view, self.sha256)


class Cluster:
    """The store, the topics that the assemblers read, `xray.specimens`, and their consumer group."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.stored: list[str] = []
        """Keys of the views and withdrawals in the order in which they were first stored."""
        self.records: list[list[RawRecord]] = [[] for _ in range(SLOTS)]
        self.stored_before: list[list[int]] = [[] for _ in range(SLOTS)]
        """For each record: how many objects were stored when it was announced."""
        self.published: list[SpecimenReady | CallWithdrawal] = []
        self.committed = [0] * SLOTS
        self.owner = [0] * SLOTS
        self.generation = 0

    def put(self, image: Image) -> None:
        """Store a view, as intake does before it announces it."""
        self.put_key(image.key, b"view")

    def put_key(self, key: str, data: bytes) -> None:
        """Store an object."""
        self.store.put(key, data)
        if key not in self.stored:
            self.stored.append(key)

    def announce(self, image: Image) -> None:
        """Append to `xray.views`."""
        moment = self._moment()
        event = ViewReady(
            biological_sample_id=image.specimen,
            centre=image.centre,
            parameter_stable_id="IMPC_XRY_034_001",
            image_event_id=image.sha256,
            image_uri="s3://images/x",
            image_sha256=image.sha256,
            view=image.view,
            view_key=image.key,
            view_sha256=image.sha256,
            original_key="originals/x",
            preprocessing_version=VERSION,
            preprocessing_generation=GENERATION,
            scores={},
            provenance={},
            announced_at=moment,
            produced_at=moment,
        )
        self._append(VIEWS, event)

    def withdraw(self, image: Image, *, both_sides: bool) -> None:
        """Append to `xray.withdrawn`."""
        event = ImageWithdrawal(
            biological_sample_id=image.specimen,
            centre=image.centre,
            image_sha256=image.sha256,
            view=None if both_sides else image.view,
            reason="blurred",
            who="anna",
            withdrawn_at=self._moment(),
        )
        self._append(WITHDRAWN, event)

    def _moment(self) -> datetime:
        return START + timedelta(seconds=sum(map(len, self.records)))

    def _append(self, topic: Topic, event: Event) -> None:
        partition = int(event.key) % PARTITIONS
        slot = slot_of(topic.name, partition)
        offset = len(self.records[slot])
        record = RawRecord(topic.name, partition, offset, self._moment(), event.key.encode(), event.encode(), ())
        self.records[slot].append(record)
        self.stored_before[slot].append(len(self.stored))

    def assign(self, owner: Sequence[int]) -> None:
        """Rebalance the group, even where the owners stay the same."""
        self.owner = list(owner)
        self.generation += 1

    @property
    def lag(self) -> int:
        return sum(map(len, self.records)) - sum(self.committed)


def slot_of(topic: str, partition: int) -> int:
    return partition + (PARTITIONS if topic == WITHDRAWN.name else 0)


class ListingStore(MemoryStore):
    """What one worker sees of the store.

    Listings may be as old as the newest announcement that it has read, or its own last withdrawal.
    """

    def __init__(self, cluster: Cluster, worker: Worker) -> None:
        super().__init__()
        self._cluster, self._worker = cluster, worker

    def keys(self, prefix: str, limit: int | None = None) -> list[str]:
        found: list[str] = []

        def listing() -> None:
            stored = self._cluster.stored
            seen = max(self._worker.must_see.get(prefix, 0), len(stored) - self._worker.staleness)
            found[:] = sorted(key for key in stored[:seen] if key.startswith(prefix))[:limit]

        self._worker.faults.at("list", listing)
        return found

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        def storing() -> None:
            self._cluster.put_key(key, data)
            prefix = "/".join(key.split("/")[:2]) + "/"
            self._worker.must_see[prefix] = len(self._cluster.stored)

        self._worker.faults.at("withdraw", storing)


class Worker:
    """One assembler process: the real handler in the real loop. Implements the loop's Transport."""

    def __init__(self, cluster: Cluster, number: int, make: Callable[[ListingStore], Assembler]) -> None:
        self._cluster, self._number, self._make = cluster, number, make
        self.staleness = 0
        self.must_see: dict[str, int] = {}
        """For each prefix: how many objects were stored when the newest announcement in hand was made."""
        self.faults = no_faults()
        self._handler: Assembler | None = None
        self._generation = -1
        self._positions: dict[int, int] = {}
        self._batch_size = 1
        self._polls = 0

    def step(self, batch_size: int, staleness: int, faults: Faults) -> None:
        """Poll and process one batch; after a crash, the next step starts a new process."""
        self._batch_size, self.staleness, self.faults = batch_size, staleness, faults
        if self._handler is None:
            self._handler = self._make(ListingStore(self._cluster, self))
            self._generation = -1
        self._polls, self._stop = 0, threading.Event()
        try:
            BatchLoop(self._handler, self, self._stop, log_fields=log_fields, image_event_id=image_event_id).run()
        except CrashError:
            self.close()

    def close(self) -> None:
        """Stop the threads of the process."""
        if self._handler is not None:
            self._handler.close()
            self._handler = None

    @property
    def assigned(self) -> int:
        return self._cluster.owner.count(self._number)

    def poll(self, timeout: float) -> list[RawRecord]:
        """Return one batch, then stop the loop. A new generation starts at the committed offsets."""
        self._polls += 1
        if self._polls > 1:
            self._stop.set()
            return []
        if self._generation != self._cluster.generation:
            self._generation = self._cluster.generation
            mine = [slot for slot in range(SLOTS) if self._cluster.owner[slot] == self._number]
            self._positions = {slot: self._cluster.committed[slot] for slot in mine}
        batch: list[RawRecord] = []
        for slot, position in self._positions.items():
            batch += self._cluster.records[slot][position : position + self._batch_size - len(batch)]
        self.must_see = {}
        for record in batch:
            slot = slot_of(record.topic, record.partition)
            self._positions[slot] = record.offset + 1
            prefix = specimen_prefix((record.key or b"").decode())
            announced = self._cluster.stored_before[slot][record.offset]
            self.must_see[prefix] = max(announced, self.must_see.get(prefix, 0))
        return batch

    def publish(self, messages: Iterable[Message]) -> None:
        """Append to `xray.specimens`, one message after the other: a crash may publish a part of a batch."""
        for message in messages:
            if message.topic is REJECTED:
                continue
            event = cast(SpecimenReady | CallWithdrawal, message.event)
            self.faults.at("publish", lambda event=event: self._cluster.published.append(event))  # type: ignore[misc]

    def commit(self, offsets: Offsets) -> None:
        """Commit, unless a rebalance has started a new generation."""

        def committing() -> None:
            if self._generation != self._cluster.generation:
                raise PartitionsLostError
            for (topic, partition), offset in offsets.items():
                self._cluster.committed[slot_of(topic, partition)] = offset

        self.faults.at("commit", committing)

    def hold(self, seconds: float, partitions: Sequence[tuple[str, int]]) -> None:
        """Detect a rebalance that moved a partition of the batch."""
        if any(self._cluster.owner[slot_of(topic, partition)] != self._number for topic, partition in partitions):
            raise PartitionsLostError

    def release(self) -> None:
        """Do nothing: no partition is paused."""

    def rewind(self, offsets: Offsets) -> None:
        """Read again from these offsets."""
        for (topic, partition), offset in offsets.items():
            slot = slot_of(topic, partition)
            if slot in self._positions:
                self._positions[slot] = offset
