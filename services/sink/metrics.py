"""Metrics that only the sink exports: the delay of calls, and gauges that are sampled from the ledger."""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Final

import structlog
from prometheus_client import Gauge, Histogram

from services.common.errors import PipelineError
from services.common.events import CallAbstention, Event, PhenotypeCall
from services.common.events.base import now
from services.common.metrics import centre_label
from services.ledger.database import Connection, connect
from services.ledger.queries import (
    CentreFamiliarity,
    FateCount,
    IncompleteCount,
    centre_familiarity,
    fate_counts,
    incomplete_counts,
)

log = structlog.get_logger()

CALL_DELAY: Final = Histogram(
    "xray_call_delay_seconds",
    "From the announcement of the image that completed a call's views to the call's row in the ledger.",
    buckets=(0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400),
)
IMAGES: Final = Gauge(
    "xray_ledger_images",
    "Images announced in the last seven days, by fate: `called`, `incomplete`, `rejected`, `skipped`, "
    "`in_flight`. All but `in_flight` are finished.",
    ["centre", "fate"],
)
OLDEST_IN_FLIGHT: Final = Gauge(
    "xray_ledger_oldest_in_flight_seconds",
    "Age of the oldest of those images that is in flight; 0 when there is none.",
    ["centre"],
)
INCOMPLETE: Final = Gauge(
    "xray_ledger_incomplete_specimens", "Specimens that still lack a DV or a LAT view.", ["centre"]
)
OLDEST_INCOMPLETE: Final = Gauge(
    "xray_ledger_oldest_incomplete_seconds",
    "Age of the oldest incomplete specimen, from its first announcement; 0 when there is none.",
    ["centre"],
)
FIRST: Final = Gauge(
    "xray_ledger_first_specimens",
    "Specimens among a centre's first 50 that have a call or an abstention, by outcome: `called`, `abstained`.",
    ["centre", "outcome"],
)
CONTROLS: Final = Gauge(
    "xray_ledger_controls",
    "Specimens that a centre has sent as controls and that can be part of a reference.",
    ["centre"],
)
SAMPLED: Final = Gauge(
    "xray_ledger_sampled_timestamp_seconds", "When the ledger was last sampled for the gauges (every 30 s)."
)

WINDOW: Final = timedelta(days=7)
"""The image gauges cover the images announced in this period."""
SAMPLE_SECONDS: Final = 30.0
_PAUSE_FACTOR: Final = 50
"""The pause after a sample is at least this many times the queries' own duration, to spare a large ledger."""
_LONGEST_PAUSE_SECONDS: Final = 240.0
"""An alert treats gauges older than five minutes as stale."""
_IN_FLIGHT: Final = {"uncalled", "unseen"}
FIRST_SPECIMENS: Final = 50
"""A centre is judged by its first specimens: later drift is judged against the centre itself."""
FATES: Final = ("called", "incomplete", "rejected", "skipped", "in_flight")


class LedgerSampler:
    """Samples the ledger every 30 s in a separate thread with its own connection."""

    def __init__(self, dsn: str) -> None:
        """Prepare; `start` starts the thread."""
        self._dsn = dsn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-gauges", daemon=True)

    def start(self) -> None:
        """Start the thread, unless it is already running."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Stop after the current query; waits at most 2 s for it."""
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
                log.warning("could not sample the ledger", why=str(error))
            pause = _PAUSE_FACTOR * (time.monotonic() - started)
            if self._stop.wait(min(_LONGEST_PAUSE_SECONDS, max(SAMPLE_SECONDS, pause))):
                return


def sample(connection: Connection) -> None:
    """Query the ledger once and set the gauges."""
    present = now()
    fates = fate_counts(connection, since=present - WINDOW)
    incomplete = incomplete_counts(connection)
    familiarity = centre_familiarity(connection, FIRST_SPECIMENS)
    centres = {one.centre for one in fates} | {one.centre for one in incomplete} | {one.centre for one in familiarity}
    labels = {centre: centre_label(centre) for centre in sorted(centres)}
    for gauge in (IMAGES, OLDEST_IN_FLIGHT, INCOMPLETE, OLDEST_INCOMPLETE, FIRST, CONTROLS):
        gauge.clear()
    for centre in set(labels.values()):
        _show_images(centre, [one for one in fates if labels[one.centre] == centre], present)
        _show_incomplete(centre, [one for one in incomplete if labels[one.centre] == centre], present)
        _show_familiarity(centre, [one for one in familiarity if labels[one.centre] == centre])
    SAMPLED.set_to_current_time()


def _show_images(centre: str, fates: Iterable[FateCount], present: datetime) -> None:
    counts: Counter[str] = Counter()
    oldest = present
    for one in fates:
        if one.fate in _IN_FLIGHT:
            oldest = min(oldest, one.oldest)
        counts["in_flight" if one.fate in _IN_FLIGHT else one.fate] += one.images
    for fate in FATES:
        IMAGES.labels(centre, fate).set(counts[fate])
    OLDEST_IN_FLIGHT.labels(centre).set((present - oldest).total_seconds())


def _show_incomplete(centre: str, counts: list[IncompleteCount], present: datetime) -> None:
    INCOMPLETE.labels(centre).set(sum(one.specimens for one in counts))
    oldest = min((one.oldest for one in counts), default=present)
    OLDEST_INCOMPLETE.labels(centre).set((present - oldest).total_seconds())


def _show_familiarity(centre: str, found: Iterable[CentreFamiliarity]) -> None:
    for one in found:
        FIRST.labels(centre, "abstained").inc(one.first_abstained)
        FIRST.labels(centre, "called").inc(one.first - one.first_abstained)
        CONTROLS.labels(centre).inc(one.controls)


def count_calls(written: Iterable[Event]) -> None:
    """Observe the delay of every call whose row is on disk."""
    present = now()
    for event in written:
        if isinstance(event, PhenotypeCall | CallAbstention):
            CALL_DELAY.observe(max(0.0, (present - event.announced_at).total_seconds()))
