"""The grow-only set as a property: whatever crashes, what is published last of a specimen is what its set means."""

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

from services.assembler.members import SpecimenSet
from services.assembler.service import Assembler
from services.common.events import CallWithdrawal, ImageWithdrawal, SpecimenReady, ViewReady
from services.common.keys import StoredWithdrawal, parse_specimen_key, safe_segment
from services.common.loop import Message, Outcome, Record
from services.common.loop.transport import RawRecord
from services.common.store import ServiceStore
from services.common.topics import VIEWS, WITHDRAWN
from tests.assembler.broker import (
    PARTITIONS,
    SLOTS,
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
WORKER_EFFECTS: tuple[Effect, ...] = ("withdraw", "list", "publish", "commit")
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


images = st.builds(
    Image,
    st.sampled_from(["1", "2"]),
    st.sampled_from(["DV", "LAT"]),
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(["JAX", "JAX", "JAX", "MRC Harwell"]),
)
owners = st.lists(st.integers(0, WORKERS - 1), min_size=SLOTS, max_size=SLOTS)
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

    @rule(image=images, both_sides=st.booleans())
    def an_image_is_withdrawn(self, image: Image, both_sides: bool) -> None:
        """Perhaps before it arrives, or twice."""
        self.cluster.withdraw(image, both_sides=both_sides)

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
        """Run without faults until nothing waits; then what was published last is what the stored objects mean."""
        self.cluster.assign(owner)
        while self.unannounced:
            self.intake(self.unannounced.pop(), no_faults())
        while self.cluster.lag:
            for worker in self.workers:
                worker.step(4, 0, no_faults())
        for specimen in ("1", "2"):
            expected, revision = self.meaning(specimen)
            newest = max(self.published(specimen), key=lambda event: event.revision, default=None)
            if newest is None:
                assert expected is None, f"specimen {specimen} was never published"
            else:
                assert (state(newest), newest.revision) == (expected, revision)

    def meaning(self, specimen: str) -> tuple[object, int]:
        """Return what must be published of a specimen according to what is stored, and the revision."""
        prefix = f"views/{safe_segment(specimen)}/"
        found = [parse_specimen_key(key) for key in self.cluster.stored if key.startswith(prefix)]
        withdrawn = {(one.centre, one.view, one.image_sha256) for one in found if isinstance(one, StoredWithdrawal)}
        views = {(one.centre, one.view, one.image_sha256) for one in found if one} - withdrawn
        sides = [{name for _, side, name in views if side == view} for view in ("DV", "LAT")]
        meaning: object = None
        if len({centre for centre, _, _ in views}) > 1:
            meaning = "centres_conflict"
        elif sides[0] & sides[1]:
            meaning = "view_conflict"
        elif all(sides):
            meaning = {(view, name) for _, view, name in views}
        elif withdrawn and len(withdrawn) < len(found):
            meaning = "images_withdrawn"
        return meaning, len(found)

    def published(self, specimen: str) -> list[SpecimenReady | CallWithdrawal]:
        return [event for event in self.cluster.published if event.biological_sample_id == specimen]

    @invariant()
    def only_stored_views_are_published(self) -> None:
        for event in self.cluster.published:
            if isinstance(event, SpecimenReady):
                assert {view.view_key for view in event.views} <= set(self.cluster.stored)

    @invariant()
    def a_revision_means_one_thing(self) -> None:
        for specimen in ("1", "2"):
            for one, other in pairwise(sorted(self.published(specimen), key=lambda event: event.revision)):
                assert (one.revision == other.revision) <= (state(one) == state(other))

    @invariant()
    def no_picture_is_called_as_two_views_or_for_two_centres(self) -> None:
        for event in self.cluster.published:
            if isinstance(event, SpecimenReady):
                assert len({view.image_sha256 for view in event.views}) == len(event.views)
                assert len({view.view_key.split("/")[3] for view in event.views}) == 1

    def teardown(self) -> None:
        try:
            self.all_work_is_done(self.cluster.owner)
        finally:
            for worker in self.workers:
                worker.close()


def state(event: SpecimenReady | CallWithdrawal) -> object:
    """The views that are called, or the reason why there is no call."""
    if isinstance(event, CallWithdrawal):
        return event.reason
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


def test_what_is_published_last_is_what_the_stored_objects_mean() -> None:
    run(Assembling, max_examples=400)


class RemembersUnacknowledged(Assembler):
    """Deliberate bug: remembers a set before the broker has it."""

    def handle(self, records: Sequence[Record[ViewReady | ImageWithdrawal]]) -> list[Outcome]:
        outcomes = super().handle(records)
        self.acknowledged(outcomes)
        return outcomes


class ListsOnce(Assembler):
    """Deliberate bug: keeps the first listing of a specimen."""

    def __init__(self, store: ServiceStore, *, workers: int) -> None:
        super().__init__(store, workers=workers)
        self._listed: dict[tuple[str, str], SpecimenSet] = {}

    def _members(self, specimen: tuple[str, str]) -> SpecimenSet:
        return self._listed.setdefault(specimen, super()._members(specimen))


class WithdrawsLast(Assembler):
    """Deliberate bug: stores a withdrawal after the set was published without it."""

    def __init__(self, store: ServiceStore, *, workers: int) -> None:
        super().__init__(store, workers=workers)
        self._late: list[ImageWithdrawal] = []

    def _withdraw(self, event: ImageWithdrawal) -> None:
        self._late.append(event)

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        super().acknowledged(outcomes)
        while self._late:
            super()._withdraw(self._late.pop())


class CommitsFirst(Worker):
    """Deliberate bug: commits the batch before its messages are published."""

    def publish(self, messages: Iterable[Message]) -> None:
        topics = (VIEWS.name, WITHDRAWN.name)
        positions = self._positions.items()
        self.commit({(topics[slot // PARTITIONS], slot % PARTITIONS): offset for slot, offset in positions})
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


class WithdrawingLast(Assembling):
    make = staticmethod(lambda store: WithdrawsLast(store, workers=1))


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
    "machine",
    [
        ForgetfulAssembling,
        ListingOnceAssembling,
        WithdrawingLast,
        CommittingFirst,
        ListingThePast,
        AnnouncingFirst,
    ],
)
def test_the_property_fails_for_a_broken_design(machine: type[Assembling]) -> None:
    with pytest.raises(AssertionError):
        run(machine, max_examples=1000, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)
