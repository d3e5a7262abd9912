"""What one event says: of which centre, in which moment, under which identity, and what it adds to the counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.common.errors import Rejected
from services.common.events import Event, ImageEvent, PhenotypeCall, Rejection, ViewReady, image_kind
from services.common.events.base import Centre
from services.common.labels import LABEL_ORDER
from services.monitor.counting.histograms import bin_of

UNKNOWN_CENTRE: Final = "(unknown)"
"""Counts rejections of records whose centre could not be read; the ledger has no centre there."""
_CENTRE: Final = TypeAdapter[str](Centre)


@dataclass(frozen=True)
class Observation:
    """One event's part in the statistics.

    `moment` is when the image was announced: what became of an image counts in the window in which it came.
    `identity` is the same for every delivery of the event. `adds` names the counters that grow by one
    (`services.monitor.counting.statistics` reads them).
    """

    centre: str
    moment: datetime
    identity: str
    adds: tuple[str, ...]


def observe(event: Event, timestamp: datetime) -> Observation:
    """Read an ImageEvent (announced at its record's `timestamp`), ViewReady, Rejection or PhenotypeCall.

    Raises TypeError for any other event.
    """
    match event:
        case ImageEvent():
            return Observation(event.centre, timestamp, f"image {event.event_id}", _image(event))
        case ViewReady():
            return Observation(event.centre, event.announced_at, f"view {event.image_event_id}", tuple(_view(event)))
        case Rejection():
            adds = (f"rejected:{event.reason}",)
            return Observation(_centre(event), event.source_timestamp, f"rejection {event.rejection_id}", adds)
        case PhenotypeCall():
            return Observation(event.centre, event.announced_at, f"call {event.call_id}", tuple(_call(event)))
    msg = f"the monitor does not count {type(event).__name__}"
    raise TypeError(msg)


def _image(event: ImageEvent) -> tuple[str, ...]:
    try:
        kind = image_kind(event.parameter_stable_id)
    except Rejected:
        return ("images",)
    return ("images", "skipped") if kind == "other" else ("images",)


def _view(event: ViewReady) -> Iterator[str]:
    yield "accepted"
    for score, value in event.scores.items():
        number = bin_of(score, value)
        if number is not None:
            yield f"score:{score}:{number}"


def _call(event: PhenotypeCall) -> Iterator[str]:
    yield "calls"
    if event.abnormal:
        yield f"positive:{LABEL_ORDER[0]}"
    yield from (f"positive:{label}" for label, positive in zip(event.labels, event.vector, strict=False) if positive)
    if event.uncertain:
        yield "uncertain"
    if event.disagreement:
        yield "disagreement"


def _centre(rejection: Rejection) -> str:
    """A rejected record may name anything as its centre."""
    try:
        return _CENTRE.validate_python(rejection.centre)
    except ValidationError:
        return UNKNOWN_CENTRE
