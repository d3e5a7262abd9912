"""The few metrics that every service exports, by Prometheus convention."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge, Histogram

from services.common.errors import Rejected

if TYPE_CHECKING:
    from services.common.loop.handler import Outcome
    from services.common.loop.transport import RawRecord

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_RECORDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 512)

RECEIVED: Final = Counter("xray_records_received_total", "Records read and committed.", ["stage", "topic"])
DONE: Final = Counter("xray_records_done_total", "Records dealt with.", ["stage"])
SKIPPED: Final = Counter("xray_records_skipped_total", "Records that needed no work, by cause.", ["stage", "cause"])
REJECTED: Final = Counter("xray_records_rejected_total", "Records refused, by reason code.", ["stage", "reason"])
RETRIES: Final = Counter("xray_retries_total", "Tries that failed because a server was away.", ["stage", "what"])
STEP: Final = Histogram("xray_step_seconds", "Time of one step of a batch.", ["stage", "step"], buckets=_SECONDS)
BATCH: Final = Histogram(
    "xray_batch_records", "Records a batch.", ["stage"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 512)
)
DELAY: Final = Histogram(
    "xray_record_delay_seconds",
    "From a record's timestamp to its commit.",
    ["stage"],
    buckets=(*_SECONDS, 60, 600, 3600),
)
ASSIGNED: Final = Gauge("xray_assigned_partitions", "Partitions that this worker holds.", ["stage"])
BEAT: Final = Gauge("xray_last_poll_timestamp_seconds", "When the loop last polled, Unix time.", ["stage"])


@contextmanager
def step(stage: str, name: str) -> Iterator[None]:
    """Measure one step."""
    with STEP.labels(stage, name).time():
        yield


def beat(stage: str, assigned: int) -> None:
    """Note that the loop polled."""
    BEAT.labels(stage).set_to_current_time()
    ASSIGNED.labels(stage).set(assigned)


def retried(stage: str, what: str) -> None:
    """Count one failed try."""
    RETRIES.labels(stage, what).inc()
    BEAT.labels(stage).set_to_current_time()


def batch(stage: str, raw: Sequence[RawRecord], outcomes: Sequence[Outcome]) -> None:
    """Count a committed batch."""
    BATCH.labels(stage).observe(len(raw))
    present = time.time()
    for record, outcome in zip(raw, outcomes, strict=True):
        RECEIVED.labels(stage, record.topic).inc()
        DELAY.labels(stage).observe(max(0.0, present - record.timestamp.timestamp()))
        if isinstance(outcome, Rejected):
            REJECTED.labels(stage, outcome.reason).inc()
        elif outcome.skipped is not None:
            SKIPPED.labels(stage, outcome.skipped).inc()
        else:
            DONE.labels(stage).inc()
