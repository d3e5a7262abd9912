"""What the sink alone exports: what the ledger says of images, specimens and calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import Gauge, Histogram

from services.common.events import Event, PhenotypeCall
from services.common.events.base import now

CALL_DELAY: Final = Histogram(
    "xray_call_delay_seconds",
    "From the announcement of the image that completed a call's views to the call's row in the ledger.",
    buckets=(0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400),
)
IMAGES: Final = Gauge(
    "xray_ledger_images",
    "Images announced in the last seven days, by what became of them: `called`, `incomplete`, `rejected`, `skipped`, "
    "`in_flight`. Finished is all but `in_flight`.",
    ["centre", "fate"],
)
OLDEST_IN_FLIGHT: Final = Gauge(
    "xray_ledger_oldest_in_flight_seconds",
    "Age of the oldest of those images in flight; 0 when there is none.",
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
SAMPLED: Final = Gauge(
    "xray_ledger_sampled_timestamp_seconds", "When the ledger was last asked for the gauges (every 30 s)."
)


def count_calls(written: Iterable[Event]) -> None:
    """Measure the way of every call whose row is on disk."""
    present = now()
    for event in written:
        if isinstance(event, PhenotypeCall):
            CALL_DELAY.observe(max(0.0, (present - event.announced_at).total_seconds()))
