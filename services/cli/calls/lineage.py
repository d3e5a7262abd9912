"""One specimen on a page: its current call, and the lineage down to the images."""

from collections.abc import Collection, Iterator

from rich.console import RenderableType
from rich.markup import escape

from services.cli.output import facts, moment, seconds, short, table
from services.common.events import (
    AnimalFacts,
    CallAbstention,
    CallReference,
    CallWithdrawal,
    PhenotypeCall,
    Rejection,
)
from services.common.events.summary import describe_call, describe_review
from services.ledger.queries import CallRecord, ImageRecord, RejectionSummary, SpecimenHistory


def described(history: SpecimenHistory, *, full: bool = False) -> Iterator[RenderableType]:
    """Yield the parts of the page, the call first; `full` prints digests in full."""
    for record in history.calls:
        if record.current:
            yield from _call(record, full=full)
    if history.state is not None and history.state.state == "withdrawn":
        yield _lost(history.call_withdrawals[0])
    if history.state is not None and history.state.state == "abstained":
        yield from _abstained(history.abstentions[0], full=full)
    older = [_older(record, full=full) for record in history.calls if not record.current]
    if older:
        columns = ("images#", "activation#", "call~", "call id", "produced (UTC)")
        yield table("Superseded calls", columns, older)
    if history.withdrawals:
        yield withdrawals(history)
    if history.reviews:
        yield reviews(history)
    yield images(history)
    if history.views:
        yield views(history, full=full)
    if history.rejections:
        yield rejections(history)


def images(history: SpecimenHistory) -> RenderableType:
    """Tabulate the announced images and what became of each."""
    waiting = {image.event.event_id for image in waiting_at_intake(history)}
    columns = ("parameter", "declared", "image", "announced (UTC)", "outcome~", "file")
    return table("Images", columns, (_image(image, history, waiting) for image in history.images))


def waiting_at_intake(history: SpecimenHistory) -> list[ImageRecord]:
    """Return the announced images that have neither a view nor a rejection; other parameters never get a view."""
    return [image for image in history.images if image.kind != "other" and _outcome(image, history) is None]


def views(history: SpecimenHistory, *, full: bool = False) -> RenderableType:
    """List the standardised views, each with the long key of its object on its own line."""
    lines: list[tuple[str, object]] = []
    for view in history.views:
        what = ", ".join([view.preprocessing_version, *view.flags])
        lines += [(f"{view.view} of image {short(view.image_sha256, full=full)}", what), ("  stored at", view.view_key)]
    return facts("Views", lines)


def reviews(history: SpecimenHistory) -> RenderableType:
    """Tabulate what curators reported, the newest first."""
    rows = (
        (moment(one.review.reviewed_at), one.review.who, describe_review(one.review), one.review.note)
        for one in history.reviews
    )
    return table("Reviews", ("reviewed (UTC)", "who", "verdict~", "note~"), rows)


def withdrawals(history: SpecimenHistory) -> RenderableType:
    """Tabulate the withdrawn images, the last one first."""
    rows = (
        (moment(one.withdrawn_at), one.who, one.centre, one.view or "DV, LAT", short(one.image_sha256), one.reason)
        for one in (record.withdrawal for record in history.withdrawals)
    )
    return table("Withdrawn images", ("withdrawn (UTC)", "who", "centre", "view", "image", "reason~"), rows)


def rejections(history: SpecimenHistory) -> RenderableType:
    """Tabulate the rejections with file, measured values and limits."""
    columns = ("id", "stage", "reason", "file", "message~")
    rows = (
        (short(one.rejection_id), one.stage, one.reason, one.file_name, explained(one)) for one in history.rejections
    )
    return table("Rejections (xray rejections show ID)", columns, rows)


def explained(one: Rejection | RejectionSummary) -> str:
    """Return the message of a rejection, followed by the measured values and limits that it does not contain."""
    measured = [
        f"{name} {_number(value)}"
        for name, value in one.details.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and _number(value) not in one.words
    ]
    score = one.details.get("score")
    if isinstance(score, str) and "value" in one.details:
        measured = [line.replace("value ", f"{score} ", 1) for line in measured]
    return f"{one.words} ({', '.join(measured)})" if measured else one.words


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _image(image: ImageRecord, history: SpecimenHistory, waiting: Collection[str]) -> tuple[object, ...]:
    event = image.event
    if image.kind == "other":
        outcome = "skipped"
    else:
        outcome = "waiting at intake" if event.event_id in waiting else _outcome(image, history) or ""
    which = short(event.sha256) or event.shown_uri
    file = event.metadata.get("file_name") or event.shown_uri.rpartition("/")[2]
    return event.parameter_stable_id, image.kind, which, moment(image.announced_at), outcome, file


def _outcome(image: ImageRecord, history: SpecimenHistory) -> str | None:
    """Return what intake made of an image, None while it has neither a view nor a rejection."""
    for view in history.views:
        if view.image_event_id == image.event.event_id or view.image_sha256 == image.event.sha256:
            return f"view after {seconds(max(0.0, (view.produced_at - image.announced_at).total_seconds()))}"
    for one in history.rejections:
        if one.image_event_id == image.event.event_id:
            return f"rejected: {one.reason}"
    return None


def _abstained(event: CallAbstention, *, full: bool) -> Iterator[RenderableType]:
    specimen, since = escape(event.biological_sample_id), moment(event.produced_at)
    reasons = ", ".join(event.reasons)
    yield f"[bold]{specimen}[/]  {escape(event.centre)}  [bold]not called[/] since {since} (UTC): {escape(reasons)}"
    yield facts("Lineage", _lineage(event, full=full))


def _call(record: CallRecord, *, full: bool) -> Iterator[RenderableType]:
    call = record.call
    yield f"[bold]{escape(call.biological_sample_id)}[/]  {escape(call.centre)}  [bold]{escape(describe_call(call))}[/]"
    columns = ("label", "call#", "consensus#", *(f"{m.model} {m.version}#" for m in call.models), "remark~")
    yield table("Probabilities", columns, _labels(call))
    yield facts("Lineage", (*_lineage(call, full=full), ("recorded (UTC)", moment(record.recorded_at))))


def _lineage(call: PhenotypeCall | CallAbstention, *, full: bool) -> tuple[tuple[str, object], ...]:
    delay = seconds((call.produced_at - call.announced_at).total_seconds())
    unfamiliar = "not measured" if call.unfamiliarity is None else f"{call.unfamiliarity:.3f}"
    return (
        ("call", short(call.call_id, full=full)),
        ("tensor", call.tensor_key),
        ("tensor SHA-256", short(call.tensor_sha256, full=full)),
        ("views", ", ".join(f"{view.view} {short(view.image_sha256, full=full)}" for view in call.views)),
        ("preprocessing", f"{call.preprocessing_version} (generation {call.preprocessing_generation})"),
        *(
            (
                f"model {m.model}",
                f"version {m.version}, trained on {short(m.training_digest, full=full)}, "
                f"calibrated with {short(m.calibration_digest, full=full)}",
            )
            for m in call.models
        ),
        ("activation", call.activation),
        ("last image announced (UTC)", moment(call.announced_at)),
        ("called (UTC)", f"{moment(call.produced_at)}, {delay} later"),
        ("reference", _reference(call.reference)),
        ("unfamiliarity", unfamiliar),
        ("animal", _animal(call.animal)),
    )


def _reference(used: CallReference | None) -> str:
    if used is None or used.sha256 is None:
        return "none: compared with training"
    compared = f"{used.controls} controls of {used.group}" if used.group else "training"
    return f"activation {used.activation}, {short(used.sha256)}: compared with {compared}"


def _animal(animal: AnimalFacts | None) -> str:
    if animal is None:
        return "nothing stated"
    stated = [str(value) for value in animal.facts().values()]
    conflicts = [f"conflicting {name}" for name in animal.conflicts]
    return ", ".join([*stated, *conflicts])


def _lost(event: CallWithdrawal) -> str:
    specimen, since = escape(event.biological_sample_id), moment(event.produced_at)
    return f"[bold]{specimen}[/]  {escape(event.centre)}  [bold]no call[/] since {since} (UTC): {event.reason}"


def _labels(call: PhenotypeCall) -> Iterator[tuple[object, ...]]:
    sources = (call.consensus, *(model.probabilities for model in call.models))
    columns = zip(*((one.level1, *one.level2, *one.level3) for one in sources), strict=True)
    bits = (int(call.abnormal), *call.vector)
    for label, bit, probabilities in zip(("Abnormal", *call.labels), bits, columns, strict=True):
        remarks = [
            remark
            for remark, labels in (("uncertain", call.uncertain), ("models disagree", call.disagreement))
            if label in labels
        ]
        yield (label, bit, *(f"{one:.3f}" for one in probabilities), ", ".join(remarks))


def _older(record: CallRecord, *, full: bool) -> tuple[object, ...]:
    call = record.call
    call_id = short(call.call_id, full=full)
    return len(call.views), call.activation, describe_call(call), call_id, moment(call.produced_at)
