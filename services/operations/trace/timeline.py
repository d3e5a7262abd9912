"""The steps of a specimen in order of time, from the ledger and from its records on the topics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.common.events import (
    CallWithdrawal,
    ImageEvent,
    PhenotypeCall,
    Rejection,
    SpecimenReady,
    TensorReady,
    ViewReady,
)
from services.common.events.summary import describe_call, describe_review
from services.common.topics import CALLS, IMAGE_RETRIES, IMAGES, REJECTED, SPECIMENS, TENSORS, VIEWS, Topic
from services.ledger.queries import RejectionSummary, SpecimenHistory
from services.operations.trace.records import TraceRecord, Window

_PUBLISHED: Final = timedelta(minutes=1)
"""An event is published at most this long after it was produced."""
_PASSED_ON: Final = {SPECIMENS.name: "assembler", TENSORS.name: "fuser", CALLS.name: "classifier"}
"""The service that writes the loss of a call to each topic."""
_DELAYS: Final = {topic.name: timedelta(seconds=topic.delay_seconds) for topic in IMAGE_RETRIES}
_OVERDUE: Final = timedelta(minutes=10)
"""How long after its time a parked record may still wait for intake."""
_WAITING: Final = timedelta(hours=1)
"""How long after a view without a call its set of views is searched for."""


@dataclass(frozen=True)
class TraceStep:
    """One step: `record` is topic/partition/offset if it is known, `key` the object that the step stored."""

    at: datetime
    stage: str
    what: str
    about: str
    record: str | None = None
    key: str | None = None


def windows(history: SpecimenHistory, present: datetime) -> list[tuple[Topic, list[Window]]]:
    """Return the times at which records of this specimen must have been published, as far as the ledger knows."""
    settled = {view.image_event_id for view in history.views} | {one.image_event_id for one in history.rejections}
    waits = any(image.event.event_id not in settled for image in history.images)
    calls = [record.call for record in history.calls]
    used = {(call.preprocessing_version, view.image_sha256) for call in calls for view in call.views}
    sets: list[Window] = [(call.announced_at, call.produced_at + _PUBLISHED) for call in calls]
    lost = [(one.produced_at, one.produced_at + _WAITING) for one in history.call_withdrawals]
    sets += lost
    sets += [
        (view.produced_at, view.produced_at + _WAITING)
        for view in history.views
        if (view.preprocessing_version, view.image_sha256) not in used
    ]
    return [
        (VIEWS, [(view.produced_at, view.produced_at + _PUBLISHED) for view in history.views]),
        (SPECIMENS, sets),
        (TENSORS, sets),
        (CALLS, [*((call.produced_at, call.produced_at + _PUBLISHED) for call in calls), *lost]),
        (REJECTED, [(one.produced_at, one.produced_at + _PUBLISHED) for one in history.rejections]),
        *(parked_windows(present) if waits else ()),
    ]


def parked_windows(present: datetime) -> list[tuple[Topic, list[Window]]]:
    """Return when a record that waits on a retry topic at present must have been published."""
    return [(topic, [(present - _DELAYS[topic.name] - _OVERDUE, present)]) for topic in IMAGE_RETRIES]


def timeline(history: SpecimenHistory, records: Sequence[TraceRecord]) -> list[TraceStep]:
    """Combine ledger and topics; a record that was published twice appears twice, with both locations."""
    steps = [*_announced(history), *_recorded(history), *map(step_of, records), *_expired(history, records)]
    return sorted(steps, key=lambda step: step.at)


def _announced(history: SpecimenHistory) -> Iterator[TraceStep]:
    for image in history.images:
        where = f"{IMAGES.name}/{image.kafka_partition}/{image.kafka_offset}"
        yield _image(image.event, image.announced_at, where)


def _image(event: ImageEvent, at: datetime, where: str) -> TraceStep:
    picture = f", picture {event.sha256[:12]}" if event.sha256 else ""
    name = event.metadata.get("file_name", event.shown_uri)
    return TraceStep(at, "centre", f"announced {event.parameter_stable_id}{picture}: {name}", event.event_id, where)


def _recorded(history: SpecimenHistory) -> Iterator[TraceStep]:
    for record in history.calls:
        what = "call recorded in the ledger" + ("" if record.current else ", now superseded")
        yield TraceStep(record.recorded_at, "sink", what, record.call.call_id)
    for one_review in history.reviews:
        review = one_review.review
        what = f"reviewed by {review.who}: {describe_review(review)}" + (f" ({review.note})" if review.note else "")
        yield TraceStep(review.reviewed_at, "curator", what, one_review.review_id)
    for one_withdrawal in history.withdrawals:
        gone = one_withdrawal.withdrawal
        what = f"{gone.view or 'DV and LAT'} of {gone.image_sha256[:12]} withdrawn by {gone.who}: {gone.reason}"
        yield TraceStep(gone.withdrawn_at, gone.centre, what, one_withdrawal.withdrawal_id)
    for one in history.rejections:
        yield TraceStep(one.recorded_at, "sink", "rejection recorded in the ledger", one.rejection_id)


def _expired(history: SpecimenHistory, records: Sequence[TraceRecord]) -> Iterator[TraceStep]:
    """Yield the steps that are in the ledger but no longer on the topics."""
    seen = {step_of(one).about for one in records}
    for view in history.views:
        if view.image_event_id not in seen:
            yield _view(view, None)
    for call in history.calls:
        if call.call.call_id not in seen:
            yield _call(call.call, None)
    for lost in history.call_withdrawals:
        if lost.call_id not in seen:
            yield _call_withdrawal(lost, CALLS.name, None)
    for one in history.rejections:
        if one.rejection_id not in seen:
            yield _rejection(one, None)


def step_of(record: TraceRecord) -> TraceStep:  # noqa: PLR0911 - one per event
    """Return the step that a record documents."""
    event = record.event
    where = f"{record.topic}/{record.partition}/{record.offset}"
    match event:
        case ImageEvent() if record.retry is not None:
            what = record.retry.description(record.published_at + _DELAYS[record.topic])
            return TraceStep(record.published_at, "intake", what, event.event_id, where)
        case ImageEvent():
            return _image(event, record.published_at, where)
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
        case CallWithdrawal():
            return _call_withdrawal(event, record.topic, where)
        case Rejection():
            return _rejection(event, where)
    msg = f"{type(event).__name__} is not a step of a specimen"
    raise TypeError(msg)


def _view(view: ViewReady, where: str | None) -> TraceStep:
    flags = f" ({', '.join(view.flags)})" if view.flags else ""
    what = f"{view.view} view of {view.image_sha256[:12]} stored{flags}, {view.preprocessing_version}"
    return TraceStep(view.produced_at, "intake", what, view.image_event_id, where, view.view_key)


def _rejection(one: Rejection | RejectionSummary, where: str | None) -> TraceStep:
    of = f" event {one.image_event_id[:12]}" if one.image_event_id else ""
    return TraceStep(one.produced_at, one.stage, f"rejected{of}, {one.reason}: {one.words}", one.rejection_id, where)


def _call(call: PhenotypeCall, where: str | None) -> TraceStep:
    models = ", ".join(f"{model.model} {model.version}" for model in call.models)
    what = f"called {describe_call(call)} at revision {call.revision} by {models}, activation {call.activation}"
    return TraceStep(call.produced_at, "classifier", what, call.call_id, where, call.tensor_key)


def _call_withdrawal(event: CallWithdrawal, topic: str, where: str | None) -> TraceStep:
    what = f"no call from revision {event.revision} on: {event.reason}"
    return TraceStep(event.produced_at, _PASSED_ON[topic], what, event.call_id, where)


def object_keys(history: SpecimenHistory) -> Mapping[str, str]:
    """Return the key of every stored object, and what the object is."""
    keys: dict[str, str] = {}
    for view in history.views:
        keys[view.original_key] = "original"
        keys[view.view_key] = f"{view.view} view"
    for record in history.calls:
        keys[record.call.tensor_key] = f"tensor of revision {record.call.revision}"
    return keys
