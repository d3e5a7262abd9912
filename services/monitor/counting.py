"""From events to the statistics of a window. Pure functions.

`observe` returns the centre, moment and identity of an event and what it adds to the counts. `Windows` are tumbling
windows of event time, [start, start + length), aligned to 1970-01-01 UTC. `statistics` turns the counters of a window
into its event. `EDGES` are the histogram edges of the quality scores that docs/intake.md describes. The limits of each
score are edges. If an edge changes, histograms of earlier windows are left out of the reference until new ones fill it.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from services.common.errors import Rejected
from services.common.events import (
    CallAbstention,
    CentreStatistics,
    Event,
    ImageEvent,
    PhenotypeCall,
    Rejection,
    ScoreHistogram,
    ViewReady,
    image_kind,
)
from services.common.events.base import Centre, now
from services.common.labels import LABEL_ORDER


def statistics(centre: str, start: int, length: int, counters: Mapping[str, int]) -> CentreStatistics:
    """Return the statistics, drift not yet judged; `start` is Unix time, `length` in seconds.

    Every label is included, also without a positive call; a score is included once a view carried it.
    """
    count = Counter(counters)
    return CentreStatistics(
        centre=centre,
        window_start=moment_of(start),
        window_end=moment_of(start + length),
        images=count["images"],
        skipped=count["skipped"],
        accepted=count["accepted"],
        rejected=_named("rejected:", counters),
        calls=count["calls"],
        positive=dict.fromkeys(LABEL_ORDER, 0) | _named("positive:", counters),
        abstained=count["abstained"],
        abstention_reasons=_named("abstained:", counters),
        uncertain=count["uncertain"],
        disagreement=count["disagreement"],
        scores=_scores(count),
        produced_at=now(),
    )


def _named(prefix: str, counters: Mapping[str, int]) -> dict[str, int]:
    return {name.removeprefix(prefix): counters[name] for name in sorted(counters) if name.startswith(prefix)}


def _scores(count: Counter[str]) -> dict[str, ScoreHistogram]:
    histograms = {
        score: ScoreHistogram(
            edges=edges, counts=tuple(count[f"score:{score}:{number}"] for number in range(len(edges) + 1))
        )
        for score, edges in EDGES.items()
    }
    return {score: histogram for score, histogram in histograms.items() if any(histogram.counts)}


_TENTHS: Final = tuple(round(tenth / 10, 1) for tenth in range(1, 10))
_DOUBLING: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_PROBABILITY: Final = (0.1, 0.5, 0.9, 0.99)

EDGES: Final[dict[str, tuple[float, ...]]] = {
    "stored_range": (0.003, 0.05, *_TENTHS),
    "polarity": (-0.5, 0.0, 0.5),
    "contrast": (0.04, *_TENTHS),
    "signal_to_noise": (8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0),
    "outline": _DOUBLING,
    "tissue_contrast": (0.15, *_TENTHS[1:]),
    "saturated": (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    "step": (0.01, 0.02, 0.05, 0.1, 0.15, 0.2),
    "touching": (0.01, 0.02, 0.05, 0.1, 0.14, 0.65),
    "animals": (0.5, 1.5),
    "elongation": (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0),
    "view_dv": _PROBABILITY,
    "view_lat": _PROBABILITY,
    "view_other": _PROBABILITY,
    "head": (0.6, 0.7, 0.8, 0.9, 0.99),
    "mirrored": _PROBABILITY,
    "motion": (0.1, 0.5, 0.9, 0.97),
    "oblique": _PROBABILITY,
    "spine_offset": (0.0, 0.1, 0.18, 0.3, 0.53, 0.7),
    "tail_side": (-0.8, -0.4, 0.0, 0.4, 0.8),
    "body_angle": (15.0, 30.0, 60.0, 90.0, 120.0, 150.0, 165.0),
    "animal_side": (80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0),
}


def bin_of(score: str, value: float) -> int | None:
    """Return the bin of a value: 0 below the first edge, `len(edges)` at or above the last; None if not binned."""
    edges = EDGES.get(score)
    return None if edges is None else bisect_right(edges, value)


Verdict = Literal["counts", "too_late", "in_the_future"]


@dataclass(frozen=True)
class Windows:
    """Lengths in seconds; moments are Unix times."""

    length: int
    grace: int
    kept: int

    def start_of(self, moment: datetime) -> int:
        """Return the start of the window that holds a moment."""
        return int(moment.timestamp() // self.length) * self.length

    def closed(self, start: int, now: float) -> bool:
        """Return whether a window's end and its grace are past."""
        return start + self.length + self.grace <= now

    def expired(self, start: int, now: float) -> bool:
        """Return whether a window takes no more events."""
        return start + self.length + self.kept <= now

    def judge(self, start: int, now: float) -> Verdict:
        """Return whether an event of this window counts; a clock that is a window ahead is wrong."""
        if self.expired(start, now):
            return "too_late"
        return "in_the_future" if start > now + self.length else "counts"


def moment_of(seconds: float) -> datetime:
    """Return a Unix time as UTC."""
    return datetime.fromtimestamp(seconds, UTC)


UNKNOWN_CENTRE: Final = "(unknown)"
"""Counts rejections of records whose centre could not be read; the ledger stores no centre for them."""
_CENTRE: Final = TypeAdapter[str](Centre)


@dataclass(frozen=True)
class EventObservation:
    """One event's part in the statistics.

    `moment` is when the image was announced: every outcome of an image counts in the window of its announcement.
    `identity` is the same for every delivery of the event. `adds` names the counters that grow by one
    (`services.monitor.counting` reads them).
    """

    centre: str
    moment: datetime
    identity: str
    adds: tuple[str, ...]


def observe(event: Event, timestamp: datetime) -> EventObservation:
    """Read an ImageEvent (announced at its record's `timestamp`), a view, a rejection, a call or an abstention.

    Raises TypeError for any other event.
    """
    match event:
        case ImageEvent():
            return EventObservation(event.centre, timestamp, f"image {event.event_id}", _image(event))
        case ViewReady():
            return EventObservation(
                event.centre, event.announced_at, f"view {event.image_event_id}", tuple(_view(event))
            )
        case Rejection():
            adds = (f"rejected:{event.reason}",)
            return EventObservation(_centre(event), event.source_timestamp, f"rejection {event.rejection_id}", adds)
        case PhenotypeCall():
            return EventObservation(event.centre, event.announced_at, f"call {event.call_id}", tuple(_call(event)))
        case CallAbstention():
            reasons = ("abstained", *(f"abstained:{reason}" for reason in event.reasons))
            return EventObservation(event.centre, event.announced_at, f"call {event.call_id}", reasons)
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
    """Return the centre of a rejected record, which may hold anything."""
    try:
        return _CENTRE.validate_python(rejection.centre)
    except ValidationError:
        return UNKNOWN_CENTRE
