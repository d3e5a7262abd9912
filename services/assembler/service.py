"""The assembler groups views by specimen. It keeps no state.

Intake stores a view before it announces it, the assembler stores a withdrawal before it lists, and neither is ever
removed. A service that reads an announcement can therefore list the specimen's prefix and finds at least every view and
withdrawal announced so far. Listings of a set that only grows are ordered by inclusion, so the size of the set is its
revision. Whatever the order, the duplicates or the crashes, the largest published set is the same in the end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.assembler.members import MOST_OBJECTS, SpecimenSet, read_set
from services.common import metrics, topology
from services.common.events import CallWithdrawal, ImageWithdrawal, SpecimenReady, ViewReady
from services.common.events.base import View, digest, now
from services.common.keys import specimen_prefix, withdrawal_key
from services.common.loop import Done, Held, Message, Outcome, Record, ServiceTopics, messages_of
from services.common.preprocessing import GENERATION, VERSION
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore, ServiceStore
from services.common.topics import SPECIMENS

_REMEMBERED: Final = 20_000
"""Number of specimens whose last published set is remembered (2 kB each), so that it is not published twice."""
_SIDES: Final[tuple[View, View]] = ("DV", "LAT")

Specimen = tuple[str, str]
"""Preprocessing version and `biological_sample_id`."""
Published = SpecimenReady | CallWithdrawal


@dataclass(frozen=True)
class _Announcement:
    """What one record says about its specimen's set."""

    event: ViewReady | ImageWithdrawal
    specimen: Specimen
    generation: int
    at: datetime


def build(settings: ServiceSettings) -> Assembler:
    """Return the assembler that these settings describe; it connects at its first use."""
    return Assembler(ObjectStore(settings, connections=settings.workers), workers=settings.workers)


class Assembler:
    """Handler of `xray.views` and `xray.withdrawn`; see the module."""

    topics: ServiceTopics[ViewReady | ImageWithdrawal] = topology.ASSEMBLER
    stage: str = topology.ASSEMBLER.name

    def __init__(self, store: ServiceStore, *, workers: int, now: Callable[[], datetime] = now) -> None:
        """Use `store` with `workers` threads; `now` is the clock of the published events."""
        self._store = store
        self._now = now
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="list")
        self._published: OrderedDict[Specimen, tuple[object, ...]] = OrderedDict()

    def start(self) -> None:
        """Check the bucket."""
        self._store.check_bucket()

    def handle(self, records: Sequence[Record[ViewReady | ImageWithdrawal]]) -> list[Outcome]:
        """Store the withdrawals, then publish each specimen's set once per batch, unless the broker already has it."""
        events = [record.event for record in records]
        _finish([self._pool.submit(self._withdraw, one) for one in events if isinstance(one, ImageWithdrawal)])
        announcements = [_announcement(record) for record in records]
        # A set that cannot be called is rejected with a view: a withdrawal is never at fault.
        ranked = sorted(range(len(records)), key=lambda index: isinstance(announcements[index].event, ViewReady))
        last = {announcements[index].specimen: index for index in ranked}
        listings = {specimen: self._pool.submit(self._members, specimen) for specimen in last}
        wait(listings.values())
        outcomes: list[Outcome] = [Done(skipped="listed_with_a_later_view")] * len(records)
        for specimen, index in last.items():
            newest = max(one.at for one in announcements if one.specimen == specimen)
            outcomes[index] = self._outcome(announcements[index], newest, listings[specimen].result())
        return outcomes

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        """Remember the sets that the broker now holds: only these may be skipped later."""
        for outcome in outcomes:
            for message in messages_of(outcome):
                event = message.event
                if isinstance(event, SpecimenReady | CallWithdrawal):
                    self._published[event.preprocessing_version, event.biological_sample_id] = _identity(event)
                    self._published.move_to_end((event.preprocessing_version, event.biological_sample_id))
        while len(self._published) > _REMEMBERED:
            self._published.popitem(last=False)

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()

    def _withdraw(self, event: ImageWithdrawal) -> None:
        for view in _SIDES if event.view is None else (event.view,):
            key = withdrawal_key(event.biological_sample_id, event.centre, view, event.image_sha256)
            with metrics.step(self.stage, "store"):
                self._store.put(key, event.encode(), "application/json")

    def _members(self, specimen: Specimen) -> SpecimenSet:
        version, name = specimen
        with metrics.step(self.stage, "list"):
            return read_set(self._store.keys(specimen_prefix(name), MOST_OBJECTS), version)

    def _outcome(self, announced: _Announcement, newest: datetime, members: SpecimenSet) -> Outcome:
        if not members.complete and members.withheld is None:
            return Done(skipped="incomplete")
        event = self._event(announced, newest, members)
        if self._published.get(announced.specimen) == _identity(event):
            return Done(skipped="set_published_already")
        messages = (Message(SPECIMENS, event),)
        held = members.withheld not in {None, "images_withdrawn"}
        if members.withheld is not None and held and isinstance(announced.event, ViewReady):
            return Held(members.withheld, members.explanation, messages, revision=members.revision)
        return Done(messages)

    def _event(self, announced: _Announcement, newest: datetime, members: SpecimenSet) -> Published:
        version, name = announced.specimen
        centre = members.centre or announced.event.centre
        if members.withheld is None:
            return SpecimenReady(
                biological_sample_id=name,
                centre=centre,
                revision=members.revision,
                views=members.views,
                animal=members.animal,
                preprocessing_version=version,
                preprocessing_generation=announced.generation,
                announced_at=newest,
                produced_at=self._now(),
            )
        return CallWithdrawal(
            call_id=digest("withdrawn", name, announced.generation, members.revision, members.withheld),
            biological_sample_id=name,
            centre=centre,
            revision=members.revision,
            preprocessing_version=version,
            preprocessing_generation=announced.generation,
            reason=members.withheld,
            announced_at=newest,
            produced_at=self._now(),
        )


def _announcement(record: Record[ViewReady | ImageWithdrawal]) -> _Announcement:
    event = record.event
    if isinstance(event, ViewReady):
        specimen = event.preprocessing_version, event.biological_sample_id
        return _Announcement(event, specimen, event.preprocessing_generation, event.announced_at)
    return _Announcement(event, (VERSION, event.biological_sample_id), GENERATION, record.timestamp)


def _identity(event: Published) -> tuple[object, ...]:
    """Return what tells one published set of a specimen from another."""
    members: object = (event.views, event.animal) if isinstance(event, SpecimenReady) else event.reason
    return (event.revision, members)


def _finish(futures: Sequence[Future[None]]) -> None:
    """Wait for all; raises what the first one raised."""
    wait(futures)
    for future in futures:
        future.result()
