"""The grow-only set as a property: whatever crashes, the newest published set of a specimen is its whole set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.assembler.service import Assembler, Members
from services.common.events import SpecimenReady, ViewReady
from services.common.loop import Message, Outcome, Record
from services.common.loop.transport import RawRecord
from services.common.store import ServiceStore
from services.common.topics import VIEWS
from tests.assembler.broker import (
    PARTITIONS,
    START,
    Cluster,
    CrashError,
    Effect,
    Faults,
    Image,
    Kind,
    Worker,
    no_faults,
)

WORKERS = 2

INTAKE_EFFECTS: tuple[Effect, ...] = ("put", "announce")
WORKER_EFFECTS: tuple[Effect, ...] = ("list", "publish", "commit")
CRASHES: tuple[Kind, ...] = ("crash before", "crash after")
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Batch:
    """One step of one worker; `staleness` is how many of the newest views its listings may lack."""

    worker: int
    size: int
    staleness: int


@dataclass(frozen=True)
class Trouble:
    """What goes wrong in a step: around the `nth` effect of this name; `owner` is for a rebalance."""

    effect: Effect
    nth: int
    kind: Kind
    owner: Sequence[int]
    meanwhile: bool


images = st.builds(Image, st.sampled_from(["1", "2"]), st.sampled_from(["DV", "LAT"]), st.sampled_from(["a", "b", "c"]))
owners = st.lists(st.integers(0, WORKERS - 1), min_size=PARTITIONS, max_size=PARTITIONS)
batches = st.builds(Batch, st.integers(0, WORKERS - 1), st.integers(1, 4), st.integers(0, 4))
troubles = st.builds(
    Trouble,
    st.sampled_from(WORKER_EFFECTS),
    st.integers(1, 2),
    st.sampled_from(KINDS),
    owners,
    st.booleans(),
)


def assembler(store: ServiceStore) -> Assembler:
    return Assembler(store, workers=1, now=lambda: START)


class Assembling(RuleBasedStateMachine):
    """Intake as a model, and two assemblers that share the partitions of `xray.views`."""

    make = staticmethod(assembler)
    worker = Worker

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster()
        self.workers = [self.worker(self.cluster, number, self.make) for number in range(WORKERS)]
        self.cluster.assign([number % WORKERS for number in range(len(self.cluster.owner))])
        self.unannounced: list[Image] = []
        """Images that intake has read and not committed: it processes them again after a crash."""

    def intake(self, image: Image, faults: Faults) -> None:
        """Store, then announce. A crash repeats both, so a view may be announced twice."""
        try:
            faults.at("put", lambda: self.cluster.put(image))
            faults.at("announce", lambda: self.cluster.announce(image))
        except CrashError:
            self.unannounced.append(image)

    @initialize(arrived=st.lists(images, max_size=6))
    def images_arrive_before_any_worker(self, arrived: list[Image]) -> None:
        for image in arrived:
            self.intake(image, no_faults())

    @rule(image=images)
    def an_image_arrives(self, image: Image) -> None:
        self.intake(image, no_faults())

    @rule(
        image=images,
        effect=st.sampled_from(INTAKE_EFFECTS),
        kind=st.sampled_from(CRASHES),
    )
    def intake_crashes(self, image: Image, effect: Effect, kind: Kind) -> None:
        self.intake(image, Faults(effect, 1, kind))

    @precondition(lambda self: self.unannounced)
    @rule(data=st.data())
    def intake_repeats(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.unannounced) - 1))
        self.intake(self.unannounced.pop(index), no_faults())

    @rule(batch=batches)
    def a_worker_processes_a_batch(self, batch: Batch) -> None:
        self.workers[batch.worker].step(batch.size, batch.staleness, no_faults())

    @precondition(lambda self: self.cluster.lag)
    @rule(batch=batches, trouble=troubles)
    def a_worker_fails(self, batch: Batch, trouble: Trouble) -> None:
        """Fail around one effect; after a rebalance, the other worker may process a batch before this one continues."""

        def rebalance() -> None:
            self.cluster.assign(trouble.owner)
            if trouble.meanwhile:
                self.workers[1 - batch.worker].step(4, 0, no_faults())

        faults = Faults(trouble.effect, trouble.nth, trouble.kind, rebalance)
        self.workers[batch.worker].step(batch.size, batch.staleness, faults)

    @precondition(lambda self: self.cluster.lag)
    @rule(
        batch=batches,
        effect=st.sampled_from(("publish", "publish", "publish", "list", "commit")),
        kind=st.sampled_from(("away and rebalance before", "away and rebalance after")),
    )
    def partitions_move_away_and_back(self, batch: Batch, effect: Effect, kind: Kind) -> None:
        """Take a worker's partitions in a batch, return them before the other polls, and let it continue."""
        owner = self.cluster.owner
        faults = Faults(effect, 1, kind, lambda: self.cluster.assign([1 - batch.worker] * len(owner)))
        self.workers[batch.worker].step(batch.size, batch.staleness, faults)
        self.cluster.assign(owner)
        self.workers[batch.worker].step(batch.size, batch.staleness, no_faults())

    @rule(owner=owners)
    def the_group_rebalances(self, owner: Sequence[int]) -> None:
        self.cluster.assign(owner)

    @rule(owner=owners)
    def all_work_is_done(self, owner: Sequence[int]) -> None:
        """Run without faults until nothing waits; then every complete specimen has its whole set."""
        self.cluster.assign(owner)
        while self.unannounced:
            self.intake(self.unannounced.pop(), no_faults())
        while self.cluster.lag:
            for worker in self.workers:
                worker.step(4, 0, no_faults())
        for specimen, stored in self.stored().items():
            if {view for view, _ in stored} == {"DV", "LAT"}:
                newest = max(self.published(specimen), key=lambda event: event.revision, default=None)
                assert newest is not None, f"specimen {specimen} is complete and was never published"
                assert members(newest) == stored
                assert newest.revision == len(stored)
            else:
                assert not self.published(specimen)

    def stored(self) -> dict[str, set[tuple[str, str]]]:
        found: dict[str, set[tuple[str, str]]] = {}
        for key in self.cluster.stored:
            _, _, specimen, view, name = key.split("/")
            found.setdefault(specimen, set()).add((view, name.removesuffix(".png")))
        return found

    def published(self, specimen: str) -> list[SpecimenReady]:
        return [event for event in self.cluster.published if event.biological_sample_id == specimen]

    @invariant()
    def only_stored_views_are_published(self) -> None:
        for event in self.cluster.published:
            assert {view.view_key for view in event.views} <= set(self.cluster.stored)

    @invariant()
    def sets_of_one_specimen_are_ordered_by_inclusion(self) -> None:
        for specimen in {event.biological_sample_id for event in self.cluster.published}:
            ordered = sorted(self.published(specimen), key=lambda event: event.revision)
            for smaller, larger in pairwise(ordered):
                assert members(smaller) <= members(larger)
                assert smaller.revision == len(smaller.views) == len(members(smaller))
                assert (smaller.revision == larger.revision) == (members(smaller) == members(larger))

    def teardown(self) -> None:
        try:
            self.all_work_is_done(self.cluster.owner)
        finally:
            for worker in self.workers:
                worker.close()


def members(event: SpecimenReady) -> set[tuple[str, str]]:
    return {(view.view, view.image_sha256) for view in event.views}


def run(machine: type[Assembling], **options: Any) -> None:
    chosen = settings(
        stateful_step_count=25,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **{"phases": [Phase.generate, Phase.shrink], **options},
    )
    run_state_machine_as_test(machine, settings=chosen)


def test_the_newest_set_of_every_complete_specimen_is_whole() -> None:
    run(Assembling, max_examples=400)


class RemembersUnacknowledged(Assembler):
    """Deliberate bug: remembers a set before the broker has it."""

    def handle(self, records: Sequence[Record[ViewReady]]) -> list[Outcome]:
        outcomes = super().handle(records)
        self.acknowledged(outcomes)
        return outcomes


class ListsOnce(Assembler):
    """Deliberate bug: keeps the first listing of a specimen."""

    def __init__(self, store: ServiceStore, *, workers: int) -> None:
        super().__init__(store, workers=workers)
        self._listed: dict[tuple[str, str], Members] = {}

    def _members(self, specimen: tuple[str, str]) -> Members:
        return self._listed.setdefault(specimen, super()._members(specimen))


class CommitsFirst(Worker):
    """Deliberate bug: commits the batch before its messages are published."""

    def publish(self, messages: Iterable[Message]) -> None:
        self.commit({(VIEWS.name, partition): offset for partition, offset in self._positions.items()})
        super().publish(messages)


class ListsThePast(Worker):
    """Deliberate bug: a listing may lack views that were stored before the current announcement."""

    def poll(self, timeout: float) -> list[RawRecord]:
        batch = super().poll(timeout)
        self.must_see = {}
        return batch


class ForgetfulAssembling(Assembling):
    make = staticmethod(lambda store: RemembersUnacknowledged(store, workers=1))


class ListingOnceAssembling(Assembling):
    make = staticmethod(lambda store: ListsOnce(store, workers=1))


class CommittingFirst(Assembling):
    worker = CommitsFirst


class ListingThePast(Assembling):
    worker = ListsThePast


class AnnouncingFirst(Assembling):
    """Deliberate bug: intake announces a view before it stores it, so a worker may read the announcement first."""

    def intake(self, image: Image, faults: Faults) -> None:
        try:
            faults.at("announce", lambda: self.cluster.announce(image))
            self.workers[0].step(4, 0, no_faults())
            faults.at("put", lambda: self.cluster.put(image))
        except CrashError:
            self.unannounced.append(image)


@pytest.mark.parametrize(
    "machine", [ForgetfulAssembling, ListingOnceAssembling, CommittingFirst, ListingThePast, AnnouncingFirst]
)
def test_the_property_fails_for_a_broken_design(machine: type[Assembling]) -> None:
    with pytest.raises(AssertionError):
        run(machine, max_examples=1000, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)
