"""One specimen: its current call, and where that came from down to the images."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.markup import escape

from services.cli.output import moment, seconds, table
from services.common.events import PhenotypeCall
from services.common.events.summary import describe_call, describe_review
from services.ledger.queries import CallRecord, ImageRecord, SpecimenHistory


def described(history: SpecimenHistory) -> Iterator[RenderableType]:
    """Yield the parts of the page, the call first."""
    for record in history.calls[:1]:
        yield from _call(record)
    if len(history.calls) > 1:
        older = history.calls[1:]
        yield table("Superseded calls", ("revision#", "activation#", "call", "produced"), map(_older, older))
    if history.reviews:
        yield reviews(history)
    yield images(history)
    if history.views:
        yield views(history)
    if history.rejections:
        yield rejections(history)


def images(history: SpecimenHistory) -> RenderableType:
    """Tabulate the announced images."""
    views_at = {view.image_event_id: view.produced_at for view in history.views}

    def row(image: ImageRecord) -> tuple[object, ...]:
        done = views_at.get(image.event.event_id)
        after = "" if done is None else seconds((done - image.announced_at).total_seconds())
        event = image.event
        which = event.sha256[:12] if event.sha256 else event.image_uri
        at = moment(image.announced_at)
        return event.parameter_stable_id, image.kind, which, at, after, event.metadata.get("file_name", "")

    columns = ("parameter", "declared", "image", "announced (UTC)", "view after#", "file")
    return table("Images", columns, map(row, history.images))


def views(history: SpecimenHistory) -> RenderableType:
    """Tabulate the standardised views."""
    columns = ("view", "image", "flags", "preprocessing", "stored at")
    rows = (
        (view.view, view.image_sha256[:12], ", ".join(view.flags), view.preprocessing_version, view.view_key)
        for view in history.views
    )
    return table("Views", columns, rows)


def reviews(history: SpecimenHistory) -> RenderableType:
    """Tabulate what curators said, the newest first."""
    rows = (
        (moment(one.review.reviewed_at), one.review.who, describe_review(one.review), one.review.note)
        for one in history.reviews
    )
    return table("Reviews", ("reviewed (UTC)", "who", "verdict", "note"), rows)


def rejections(history: SpecimenHistory) -> RenderableType:
    """Tabulate what was refused."""
    columns = ("id", "stage", "reason", "words")
    rows = ((one.rejection_id[:12], one.stage, one.reason, one.words) for one in history.rejections)
    return table("Rejections (xray rejections show ID)", columns, rows)


def _call(record: CallRecord) -> Iterator[RenderableType]:
    call = record.call
    yield f"[bold]{escape(call.biological_sample_id)}[/]  {escape(call.centre)}  [bold]{escape(describe_call(call))}[/]"
    yield table(
        "Probabilities",
        ("label", "call#", "consensus#", *(f"{m.model} {m.version}#" for m in call.models), ""),
        _labels(call),
    )
    rows = (
        ("call", call.call_id),
        ("tensor", f"{call.tensor_key}  sha256 {call.tensor_sha256}"),
        ("views", f"{call.revision}: " + ", ".join(f"{view.view} {view.image_sha256[:12]}" for view in call.views)),
        ("preprocessing", f"{call.preprocessing_version} (generation {call.preprocessing_generation})"),
        *(
            (
                f"model {m.model}",
                f"version {m.version}, trained on {m.training_digest[:12]}, calibrated {m.calibration_digest[:12]}",
            )
            for m in call.models
        ),
        ("activation", call.activation),
        ("last image announced (UTC)", moment(call.announced_at)),
        (
            "called",
            f"{moment(call.produced_at)}, {seconds((call.produced_at - call.announced_at).total_seconds())} later",
        ),
        ("recorded (UTC)", moment(record.recorded_at)),
    )
    yield table("Lineage", ("what", "value"), rows)


def _labels(call: PhenotypeCall) -> Iterator[tuple[object, ...]]:
    sources = (call.consensus, *(model.probabilities for model in call.models))
    columns = zip(*((one.level1, *one.level2, *one.level3) for one in sources), strict=True)
    bits = (int(call.abnormal), *call.vector)
    for label, bit, probabilities in zip(("Abnormal", *call.labels), bits, columns, strict=True):
        remark = [
            word
            for word, labels in (("uncertain", call.uncertain), ("models disagree", call.disagreement))
            if label in labels
        ]
        yield (label, bit, *(f"{one:.3f}" for one in probabilities), ", ".join(remark))


def _older(record: CallRecord) -> tuple[object, ...]:
    return record.call.revision, record.call.activation, describe_call(record.call), moment(record.call.produced_at)
