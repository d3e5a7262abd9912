"""The assembler: groups views by specimen without any state of its own.

Intake stores a view before it announces it, and stored views are never removed. So whoever is told of a view can list
the specimen's prefix and knows at least everything announced so far. Listings of a grow-only set are ordered by
inclusion: its size is the revision, and any order, duplicate or crash ends with the same largest set.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final

from services.common import metrics, topology
from services.common.events import SpecimenReady, SpecimenView, ViewReady
from services.common.events.base import now
from services.common.keys import parse_view_key, specimen_prefix
from services.common.loop import Done, Message, Outcome, Record, ServiceTopics
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore
from services.common.topics import SPECIMENS

_REMEMBERED: Final = 20_000
"""Sets of so many specimens are remembered, a few MB, so that a set just published is not published again."""

Members = tuple[SpecimenView, ...]
Specimen = tuple[str, str]


class Assembler:
    """Handler of `xray.views`; see the module."""

    topics: ServiceTopics[ViewReady] = topology.ASSEMBLER
    stage: str = topology.ASSEMBLER.name

    def __init__(self, settings: ServiceSettings) -> None:
        """Prepare; connects at the first use."""
        self._store = ObjectStore(settings, connections=settings.workers)
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="list")
        self._published: OrderedDict[Specimen, Members] = OrderedDict()

    def start(self) -> None:
        """Check the bucket."""
        self._store.check_bucket()

    def handle(self, records: Sequence[Record[ViewReady]]) -> list[Outcome]:
        """Publish each specimen's set once a batch, with its last record, unless the broker holds it already."""
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
        """Remember the sets that the broker now holds: only those may be left out later."""
        for outcome in outcomes:
            for message in outcome.messages if isinstance(outcome, Done) else ():
                event = message.event
                if isinstance(event, SpecimenReady):
                    self._published[event.preprocessing_version, event.biological_sample_id] = event.views
                    self._published.move_to_end((event.preprocessing_version, event.biological_sample_id))
        while len(self._published) > _REMEMBERED:
            self._published.popitem(last=False)

    def close(self) -> None:
        """End the threads."""
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
            produced_at=now(),
        )
        return Done((Message(SPECIMENS, event),))


def _specimen(event: ViewReady) -> Specimen:
    return event.preprocessing_version, event.biological_sample_id
