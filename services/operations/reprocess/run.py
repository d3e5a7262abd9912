"""Reprocesses past specimens: finds what is outdated, publishes it, and waits until the ledger has the results.

The ledger is the only state: a result that it contains is not produced again. A run may be killed and started again;
what was in flight then is processed twice, with the same ids. Live traffic comes first: a run publishes at a limited
rate, and nothing while the service that reads its records has work waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from services.common.loop.lag import LagGauge
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore
from services.common.topics import Topic
from services.ledger.database import Connection
from services.ledger.queries import KnownSpecimen, Selection, specimens_after
from services.operations.reprocess.progress import ReprocessCounts
from services.operations.reprocess.source import ReprocessSource, SpecimenStatus, has_grown

_ACKNOWLEDGED_SECONDS: Final = 60


class Publisher:
    """Publishes the records of outdated specimens, one after the other, at a limited rate."""

    def __init__(self, producer: Any, topic: Topic, throttle: ReprocessThrottle) -> None:
        """Prepare; `producer` is one of `services.common.kafka.clients.publisher`."""
        self._producer, self._topic, self._throttle = producer, topic.name, throttle

    def publish(self, found: SpecimenStatus, held: Callable[[int], None], overtaken: Callable[[], bool]) -> bool:
        """Return True once the broker has all records of a specimen, False when it was `overtaken` by a newer revision.

        `overtaken` is called last, since live traffic may have delayed it for long; `held` is called meanwhile
        with the number of records that wait.
        """
        for number, publication in enumerate(found.publications):
            self._throttle.wait(held)
            if number == 0 and overtaken():
                return False
            key, value = publication.event.key.encode(), publication.event.encode()
            future = self._producer.send(self._topic, key=key, value=value, headers=list(publication.headers))
            future.get(timeout=_ACKNOWLEDGED_SECONDS)
        return True


MOST_WAITING: Final = 64
"""Unread records above which nothing is published: two batches, so that a live record waits for no more."""


class ReprocessThrottle:
    """Limits the rate, and waits while live records are unread."""

    def __init__(self, settings: ServiceSettings, reader: str, topic: Topic, rate: float) -> None:
        """Watch the group `reader` on `topic`; raises Retriable when the broker is unreachable."""
        self._interval, self._topic = 1 / rate, topic.name
        self._next = self._look_at = 0.0
        self._lag = LagGauge(settings, reader, (topic.name,))

    def wait(self, held: Callable[[int], None]) -> None:
        """Return when the next record may be sent; while live records wait, `held` is called with their number."""
        while time.monotonic() >= self._look_at:
            waiting = self._waiting()
            self._look_at = time.monotonic() + _LOOK_SECONDS
            if waiting <= MOST_WAITING:
                break
            held(waiting)
            time.sleep(_LOOK_SECONDS)
        turn = max(self._next, time.monotonic())
        self._next = turn + self._interval
        time.sleep(max(0.0, turn - time.monotonic()))

    def close(self) -> None:
        """Disconnect."""
        self._lag.close()

    def _waiting(self) -> int:
        return self._lag.measure()[self._topic].records


PAGE: Final = 100
"""Specimens per query; the answer for the last one is some seconds old when it is published."""
PATIENCE_SECONDS: Final = 120.0
"""A run stops waiting when nothing that it published has had a result for this long."""
_LOOK_SECONDS: Final = 1.0


def pages(connection: Connection, source: ReprocessSource, selection: Selection) -> Iterator[list[SpecimenStatus]]:
    """Yield the status of all selected specimens, in the order of their ids."""
    after: str | None = None
    while page := specimens_after(connection, selection, after, limit=PAGE):
        yield source.look(page)
        after = page[-1].biological_sample_id


class Reprocessing:
    """One run over the selected specimens."""

    def __init__(
        self, source: ReprocessSource, store: ObjectStore, publisher: Publisher, counts: ReprocessCounts
    ) -> None:
        """Prepare; nothing is published before `run`."""
        self._source, self._store, self._publisher, self._counts = source, store, publisher, counts
        self._left: int | None = None
        self._pending: dict[str, KnownSpecimen] = {}

    def run(self, found: Iterable[Sequence[SpecimenStatus]], limit: int | None) -> list[str]:
        """Reprocess at most `limit` of these specimens.

        Returns the specimens without a result although the services have had time for it. Raises Retriable when a
        server is unreachable, Rejected(`activation_changed`); a second run continues from there.
        """
        self._left = limit
        grown: dict[str, KnownSpecimen] = {}
        for page in found:
            for one in page:
                if one.publications and self._left == 0:
                    continue
                if one.publications and not self._publish(one, partial(has_grown, self._store, one)):
                    grown[one.biological_sample_id] = known(one)
                self._counts.looked_at(one)
            self._look_at_pending()
            if self._left == 0:
                break
        # The newer revision of a specimen that has grown is called by the versions that serve, unless it is rejected.
        # Only then is its current call published again, when nothing can overtake it any more.
        self._pending |= grown
        without_result = self._settle()
        for one in self._looked_at([grown[name] for name in without_result if name in grown]):
            self._publish(one, lambda: False)
        return sorted({*without_result} - {*grown} | {*self._settle()})

    def _publish(self, found: SpecimenStatus, overtaken: Callable[[], bool]) -> bool:
        if not self._publisher.publish(found, self._counts.held, overtaken):
            return False
        self._pending[found.biological_sample_id] = known(found)
        self._left = None if self._left is None else self._left - 1
        self._counts.published(found)
        return True

    def _settle(self) -> list[str]:
        """Wait for the results of what was published; returns the specimens without one."""
        since = time.monotonic()
        while self._pending and time.monotonic() - since < PATIENCE_SECONDS:
            before = len(self._pending)
            time.sleep(_LOOK_SECONDS)
            self._look_at_pending()
            if len(self._pending) < before:
                since = time.monotonic()
        without_result = sorted(self._pending)
        self._pending.clear()
        return without_result

    def _look_at_pending(self) -> None:
        for found in self._looked_at(list(self._pending.values())):
            if not found.publications:
                del self._pending[found.biological_sample_id]
                self._counts.settled()

    def _looked_at(self, specimens: Sequence[KnownSpecimen]) -> Iterator[SpecimenStatus]:
        for start in range(0, len(specimens), PAGE):
            yield from self._source.look(specimens[start : start + PAGE])


def known(found: SpecimenStatus) -> KnownSpecimen:
    """Return a specimen without its status."""
    return KnownSpecimen(found.biological_sample_id, found.centre)
