"""The assembler groups views by specimen. It keeps no state.

Intake stores a view before it announces it, and stored views are never removed. A service that reads an announcement
can therefore list the specimen's prefix and finds at least every view announced so far. Listings of a set that only
grows are ordered by inclusion, so the size of the set is its revision. Whatever the order, the duplicates or the
crashes, the largest published set is the same in the end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from typing import Final

from services.common import metrics, topology
from services.common.events import SpecimenReady, SpecimenView, ViewReady
from services.common.events.base import now
from services.common.keys import parse_view_key, specimen_prefix
from services.common.loop import Done, Message, Outcome, Record, ServiceTopics
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore, ServiceStore
from services.common.topics import SPECIMENS

_REMEMBERED: Final = 20_000
"""Number of specimens whose last published set is remembered (a few MB), so that it is not published twice."""

Members = tuple[SpecimenView, ...]
Specimen = tuple[str, str]


def build(settings: ServiceSettings) -> Assembler:
    """Return the assembler that these settings describe; it connects at its first use."""
    return Assembler(ObjectStore(settings, connections=settings.workers), workers=settings.workers)


class Assembler:
    """Handler of `xray.views`; see the module."""

    topics: ServiceTopics[ViewReady] = topology.ASSEMBLER
    stage: str = topology.ASSEMBLER.name

    def __init__(self, store: ServiceStore, *, workers: int, now: Callable[[], datetime] = now) -> None:
        """List specimens in `store` with `workers` threads; `now` is the clock of the published events."""
        self._store = store
        self._now = now
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="list")
        self._published: OrderedDict[Specimen, Members] = OrderedDict()

    def start(self) -> None:
        """Check the bucket."""
        self._store.check_bucket()

    def handle(self, records: Sequence[Record[ViewReady]]) -> list[Outcome]:
        """Publish each specimen's set once per batch, with its last record, unless the broker already has it."""
        events = [record.event for record in records]
        last = {_specimen(event): index for index, event in enumerate(events)}
        listings = {specimen: self._pool.submit(self._members, specimen) for specimen in last}
        wait(listings.values())
        outcomes: list[Outcome] = [Done(skipped="listed_with_a_later_view")] * len(events)
        for specimen, index in last.items():
            announced = [event for event in events if _specimen(event) == specimen]
            outcomes[index] = self._outcome(announced, listings[specimen].result())
        return outcomes

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        """Remember the sets that the broker now holds: only these may be skipped later."""
        for outcome in outcomes:
            for message in outcome.messages if isinstance(outcome, Done) else ():
                event = message.event
                if isinstance(event, SpecimenReady):
                    self._published[event.preprocessing_version, event.biological_sample_id] = event.views
                    self._published.move_to_end((event.preprocessing_version, event.biological_sample_id))
        while len(self._published) > _REMEMBERED:
            self._published.popitem(last=False)

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()

    def _members(self, specimen: Specimen) -> Members:
        with metrics.step(self.stage, "list"):
            listed = [parse_view_key(key) for key in self._store.keys(specimen_prefix(*specimen))]
        return tuple(sorted((member for member in listed if member), key=lambda m: (m.view, m.image_sha256)))

    def _outcome(self, announced: Sequence[ViewReady], members: Members) -> Done:
        newest = max(announced, key=lambda event: event.announced_at)
        if {member.view for member in members} != {"DV", "LAT"}:
            return Done(skipped="incomplete")
        if self._published.get(_specimen(newest)) == members:
            return Done(skipped="set_published_already")
        event = SpecimenReady(
            biological_sample_id=newest.biological_sample_id,
            centre=newest.centre,
            revision=len(members),
            views=members,
            preprocessing_version=newest.preprocessing_version,
            preprocessing_generation=newest.preprocessing_generation,
            announced_at=newest.announced_at,
            produced_at=self._now(),
        )
        return Done((Message(SPECIMENS, event),))


def _specimen(event: ViewReady) -> Specimen:
    return event.preprocessing_version, event.biological_sample_id
