"""Keeps the gauges that only the ledger knows: what became of the images, how long specimens wait for a view."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.common.errors import PipelineError
from services.common.events.base import now
from services.ledger.database import Connection, connect
from services.ledger.queries import FateCount, IncompleteCount, fate_counts, incomplete_counts
from services.sink import metrics

log = structlog.get_logger()

WINDOW: Final = timedelta(days=7)
SAMPLE_SECONDS: Final = 30.0
_REST: Final = 50
_LONGEST_SECONDS: Final = 240.0
"""Fifty times as long as the queries took nothing is asked, so that a large ledger has its rest, but four minutes at
most: an alert takes older gauges for stale.
"""
_IN_FLIGHT: Final = {"uncalled", "unseen"}
FATES: Final = ("called", "incomplete", "rejected", "skipped", "in_flight")


class LedgerSampler:
    """Asks the ledger every 30 s, in a thread and over a connection of its own."""

    def __init__(self, dsn: str) -> None:
        """Prepare; `start` begins."""
        self._dsn = dsn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-gauges", daemon=True)

    def start(self) -> None:
        """Begin to ask; starting again changes nothing."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """End after the query in hand."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2)

    def _run(self) -> None:
        while True:
            started = time.monotonic()
            try:
                with closing(connect(self._dsn, "xray-sink-gauges")) as connection:
                    sample(connection)
            except PipelineError as error:
                log.warning("gauges not taken from the ledger", why=str(error))
            rest = _REST * (time.monotonic() - started)
            if self._stop.wait(min(_LONGEST_SECONDS, max(SAMPLE_SECONDS, rest))):
                return


def sample(connection: Connection) -> None:
    """Ask once and set the gauges."""
    present = now()
    fates = fate_counts(connection, since=present - WINDOW)
    incomplete = incomplete_counts(connection)
    centres = {one.centre for one in fates} | {one.centre for one in incomplete}
    for gauge in (metrics.IMAGES, metrics.OLDEST_IN_FLIGHT, metrics.INCOMPLETE, metrics.OLDEST_INCOMPLETE):
        gauge.clear()
    for centre in centres:
        _show_images(centre, [one for one in fates if one.centre == centre], present)
        _show_incomplete(centre, [one for one in incomplete if one.centre == centre], present)
    metrics.SAMPLED.set_to_current_time()


def _show_images(centre: str, fates: Iterable[FateCount], present: datetime) -> None:
    counts: Counter[str] = Counter()
    oldest = present
    for one in fates:
        if one.fate in _IN_FLIGHT:
            oldest = min(oldest, one.oldest)
        counts["in_flight" if one.fate in _IN_FLIGHT else one.fate] += one.images
    for fate in FATES:
        metrics.IMAGES.labels(centre, fate).set(counts[fate])
    metrics.OLDEST_IN_FLIGHT.labels(centre).set((present - oldest).total_seconds())


def _show_incomplete(centre: str, counts: list[IncompleteCount], present: datetime) -> None:
    metrics.INCOMPLETE.labels(centre).set(sum(one.specimens for one in counts))
    oldest = min((one.oldest for one in counts), default=present)
    metrics.OLDEST_INCOMPLETE.labels(centre).set((present - oldest).total_seconds())
