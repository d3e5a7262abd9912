"""The metrics that every service exports, and how the loop updates them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from services import __version__
from services.common.errors import Rejected, Retriable
from services.common.events import ImageEvent
from services.common.metrics.definitions import (
    ASSIGNED,
    BATCH,
    BUILD,
    DECODERS_LOST,
    DELAY,
    DONE,
    LAG_RECORDS,
    LAG_SAMPLED,
    LAG_SECONDS,
    LAST_PARKED,
    LAST_POLL,
    PARKED,
    READ_BYTES,
    READY,
    RECEIVED,
    REJECTED,
    RETRIES,
    SERVER_ERRORS,
    SKIPPED,
    STEP,
    WRITTEN_BYTES,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.common.loop.handler import Outcome
    from services.common.loop.transport import RawRecord


OTHER: Final = "(other)"
_MOST_CENTRES: Final = 200
"""There are about twenty. Every further name is a mistake or malice, and takes memory here and in Prometheus."""
_MOST_REASONS: Final = 200


class BoundedLabel:
    """Values of a metric's label that come from outside: the first `most` keep their names, the others share one."""

    def __init__(self, most: int) -> None:
        """Start without any value."""
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """Return the label for a value: the value, or `(other)`."""
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(value)
        return value


centre_label: Final = BoundedLabel(_MOST_CENTRES)
reason_label: Final = BoundedLabel(_MOST_REASONS)


@contextmanager
def step(stage: str, name: str) -> Iterator[None]:
    """Measure one step."""
    with STEP.labels(stage, name).time():
        yield


def started(stage: str, ready: Callable[[], bool]) -> None:
    """Record which program runs; `ready` is called at every scrape."""
    BUILD.labels(stage, __version__).set(1)
    READY.labels(stage).set_function(lambda: float(ready()))


def record_poll(stage: str, assigned: int) -> None:
    """Record that the loop polled."""
    LAST_POLL.labels(stage).set_to_current_time()
    ASSIGNED.labels(stage).set(assigned)


def retried(stage: str, what: str, error: Retriable) -> None:
    """Count one failed attempt."""
    RETRIES.labels(stage, what).inc()
    SERVER_ERRORS.labels(stage, error.server, error.kind).inc()
    LAST_POLL.labels(stage).set_to_current_time()


def read_bytes(stage: str, source: str, count: int) -> None:
    """Count bytes read from `kafka`, `objects` or `https`."""
    READ_BYTES.labels(stage, source).inc(count)


def written_bytes(stage: str, target: str, count: int) -> None:
    """Count bytes written to `kafka` or `objects`."""
    WRITTEN_BYTES.labels(stage, target).inc(count)


def decoder_lost(stage: str, cause: str) -> None:
    """Count a decoder process that must be replaced."""
    DECODERS_LOST.labels(stage, cause).inc()


def lag(stage: str, topic: str, records: int, seconds: float) -> None:
    """Record how far the group is behind on one topic."""
    LAG_RECORDS.labels(stage, topic).set(records)
    LAG_SECONDS.labels(stage, topic).set(seconds)
    LAG_SAMPLED.labels(stage).set_to_current_time()


def batch(
    stage: str, raw: Sequence[RawRecord], outcomes: Sequence[Outcome], retry_topics: Collection[str] = ()
) -> None:
    """Count a committed batch."""
    BATCH.labels(stage).observe(len(raw))
    read_bytes(stage, "kafka", sum(len(record.value or b"") for record in raw))
    delay, present = DELAY.labels(stage), time.time()
    for record in raw:
        if record.topic in retry_topics:
            continue
        delay.observe(max(0.0, present - record.timestamp.timestamp()))
    for topic, count in Counter(record.topic for record in raw).items():
        RECEIVED.labels(stage, topic).inc(count)
    for outcome in outcomes:
        if isinstance(outcome, Rejected):
            REJECTED.labels(stage, outcome.reason).inc()
        elif outcome.parked is not None:
            PARKED.labels(stage, outcome.parked.server).inc()
            for message in outcome.messages:
                if isinstance(message.event, ImageEvent):
                    LAST_PARKED.labels(stage, centre_label(message.event.centre)).set_to_current_time()
        elif outcome.skipped is not None:
            SKIPPED.labels(stage, outcome.skipped).inc()
        else:
            DONE.labels(stage).inc()
