"""The steps of a specimen in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.common.events import ImageEvent, PhenotypeCall, Rejection, SpecimenReady, TensorReady, ViewReady
from services.common.events.summary import describe_call, describe_review
from services.common.topics import CALLS, IMAGES, REJECTED, SPECIMENS, TENSORS, VIEWS, Topic
from services.ledger.queries import RejectionSummary, SpecimenHistory
from services.operations.trace.stretches import TraceRecord, Window

_PUBLISHED: Final = timedelta(minutes=1)
"""After an event was made: a batch is published within."""
_WAITING: Final = timedelta(hours=1)
"""How long after a view that no call rests on its set is looked for."""


@dataclass(frozen=True)
class TraceStep:
    """One step: `place` is topic/partition/offset where that is known, `key` the object that the step stored."""

    at: datetime
    stage: str
    what: str
    about: str
    place: str | None = None
    key: str | None = None


def windows(history: SpecimenHistory) -> list[tuple[Topic, list[Window]]]:
    """Return when records of this specimen must have been published, as far as the ledger tells."""
    calls = [record.call for record in history.calls]
    rested_on = {(call.preprocessing_version, view.image_sha256) for call in calls for view in call.views}
    sets: list[Window] = [(call.announced_at, call.produced_at + _PUBLISHED) for call in calls]
    sets += [
        (view.produced_at, view.produced_at + _WAITING)
        for view in history.views
        if (view.preprocessing_version, view.image_sha256) not in rested_on
    ]
    return [
        (VIEWS, [(view.produced_at, view.produced_at + _PUBLISHED) for view in history.views]),
        (SPECIMENS, sets),
        (TENSORS, sets),
        (CALLS, [(call.produced_at, call.produced_at + _PUBLISHED) for call in calls]),
        (REJECTED, [(one.produced_at, one.produced_at + _PUBLISHED) for one in history.rejections]),
    ]


def timeline(history: SpecimenHistory, sightings: Sequence[TraceRecord]) -> list[TraceStep]:
    """Put ledger and topics together; a record that was published twice appears twice, with both places."""
    steps = [*_announced(history), *_recorded(history), *map(seen, sightings), *_unseen(history, sightings)]
    return sorted(steps, key=lambda step: step.at)


def _announced(history: SpecimenHistory) -> Iterator[TraceStep]:
    for image in history.images:
        where = f"{IMAGES.name}/{image.kafka_partition}/{image.kafka_offset}"
        yield _image(image.event, image.announced_at, where)


def _image(event: ImageEvent, at: datetime, where: str) -> TraceStep:
    picture = f", picture {event.sha256[:12]}" if event.sha256 else ""
    name = event.metadata.get("file_name", event.image_uri)
    return TraceStep(at, "centre", f"announced {event.parameter_stable_id}{picture}: {name}", event.event_id, where)


def _recorded(history: SpecimenHistory) -> Iterator[TraceStep]:
    for record in history.calls:
        what = "call recorded in the ledger" + ("" if record.current else ", superseded by now")
        yield TraceStep(record.recorded_at, "sink", what, record.call.call_id)
    for one_review in history.reviews:
        review = one_review.review
        words = f"reviewed by {review.who}: {describe_review(review)}" + (f" ({review.note})" if review.note else "")
        yield TraceStep(review.reviewed_at, "curator", words, one_review.review_id)
    for one in history.rejections:
        yield TraceStep(one.recorded_at, "sink", "refusal recorded in the ledger", one.rejection_id)


def _unseen(history: SpecimenHistory, sightings: Sequence[TraceRecord]) -> Iterator[TraceStep]:
    """Yield what the ledger holds and the topics no longer do, by the time it was made."""
    seen = {_about(one) for one in sightings}
    for view in history.views:
        if view.image_event_id not in seen:
            yield _view(view, None)
    for record in history.calls:
        if record.call.call_id not in seen:
            yield _call(record.call, None)
    for one in history.rejections:
        if one.rejection_id not in seen:
            yield _refusal(one, None)


def _about(sighting: TraceRecord) -> str:
    return seen(sighting).about


def seen(sighting: TraceRecord) -> TraceStep:
    """Return the step that a record stands for."""
    event = sighting.event
    where = f"{sighting.topic}/{sighting.partition}/{sighting.offset}"
    match event:
        case ImageEvent():
            return _image(event, sighting.published_at, where)
        case ViewReady():
            return _view(event, where)
        case SpecimenReady():
            members = ", ".join(f"{view.view} {view.image_sha256[:12]}" for view in event.views)
            what = f"revision {event.revision} of {event.preprocessing_version} published: {members}"
            return TraceStep(event.produced_at, "assembler", what, f"revision {event.revision}", where)
        case TensorReady():
            what = f"revision {event.revision} fused"
            return TraceStep(event.produced_at, "fuser", what, f"revision {event.revision}", where, event.tensor_key)
        case PhenotypeCall():
            return _call(event, where)
        case Rejection():
            return _refusal(event, where)
    msg = f"no step is made of {type(event).__name__}"
    raise TypeError(msg)


def _view(view: ViewReady, where: str | None) -> TraceStep:
    flags = f" ({', '.join(view.flags)})" if view.flags else ""
    what = f"{view.view} view of {view.image_sha256[:12]} stored{flags}, {view.preprocessing_version}"
    return TraceStep(view.produced_at, "intake", what, view.image_event_id, where, view.view_key)


def _refusal(one: Rejection | RejectionSummary, where: str | None) -> TraceStep:
    of = f" event {one.image_event_id[:12]}" if one.image_event_id else ""
    return TraceStep(one.produced_at, one.stage, f"refused{of}, {one.reason}: {one.words}", one.rejection_id, where)


def _call(call: PhenotypeCall, where: str | None) -> TraceStep:
    models = ", ".join(f"{model.model} {model.version}" for model in call.models)
    what = f"called {describe_call(call)} at revision {call.revision} by {models}, activation {call.activation}"
    return TraceStep(call.produced_at, "classifier", what, call.call_id, where, call.tensor_key)


def object_keys(history: SpecimenHistory) -> Mapping[str, str]:
    """Return where every object lies, with what it is."""
    keys: dict[str, str] = {}
    for view in history.views:
        keys[view.original_key] = "original"
        keys[view.view_key] = f"{view.view} view"
    for record in history.calls:
        keys[record.call.tensor_key] = f"tensor of revision {record.call.revision}"
    return keys
