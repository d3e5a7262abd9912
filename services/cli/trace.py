"""`xray trace`: one specimen followed through all services.

If the ledger does not know a specimen, its announcements of the last day on `xray.images` are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.options import settings_for
from services.cli.output import FullOption, JsonOption, Sheet, console, facts, print_json, seconds, short, table

if TYPE_CHECKING:
    from services.common.settings import Settings
    from services.common.store import ObjectStore
    from services.ledger.queries import IdKind, SpecimenHistory
    from services.operations.trace.records import TraceRecords
    from services.operations.trace.timeline import TraceStep

app = typer.Typer(add_completion=False)
_LOOK_BACK: Final = timedelta(days=1)
_STATES: Final = {True: "exists", False: "MISSING", None: "store unreachable"}


@dataclass(frozen=True)
class StoredObject:
    """An object of the specimen; `exists` is None when the store could not be asked."""

    what: str
    key: str
    exists: bool | None


@dataclass(frozen=True)
class Trace:
    """All that is shown of one specimen."""

    biological_sample_id: str
    found_by: IdKind
    history: SpecimenHistory
    steps: list[TraceStep]
    objects: list[StoredObject]
    records: TraceRecords


@app.command()
def trace(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Specimen, the centre's own id of it, image event, SHA-256 of an image, call, review or rejection; "
            "also the beginning of one.",
        ),
    ],
    *,
    full: FullOption = False,
    as_json: JsonOption = False,
) -> None:
    """Follow one specimen through all services: the time of each step, and where its objects and records are.

    An image whose source does not answer is shown as parked, with its next attempt.

    Reads the ledger, then the specimen's partition of every topic, only around the times that the ledger gives. If the
    ledger does not know the specimen yet, its announcements of the last day are searched. Exit code 1 when the id is
    unknown. The services' logs show the same steps: grep for the specimen, the event or the call.

    Examples:

        xray trace 183808
        xray trace 5d41402abc4b
        xray trace 183808 --json | jq -r '.timeline[] | [.at, .stage, .what] | @tsv'
    """

    settings = settings_for("postgres", "kafka")
    result = _trace(settings, wanted)
    if result is None:
        _show_announced(settings, wanted, full=full, as_json=as_json)
    elif as_json:
        print_json(_payload(result))
    else:
        _print(result, full=full)


def _trace(settings: Settings, wanted: str) -> Trace | None:
    from services.common.errors import Rejected
    from services.common.events.base import now
    from services.ledger.database import ledger
    from services.ledger.queries import find_specimen, specimen_history
    from services.operations.trace.records import find_records
    from services.operations.trace.timeline import timeline, windows

    with ledger(settings) as connection:
        found = find_specimen(connection, wanted)
        if found is None:
            return None
        if found.biological_sample_id is None:
            raise Rejected("specimen_unknown", f"{wanted!r} is a rejected record that names no specimen")
        history = specimen_history(connection, found.biological_sample_id)
    if history is None:
        return None
    records = find_records(settings, found.biological_sample_id, windows(history, now()))
    steps = timeline(history, records.records)
    return Trace(found.biological_sample_id, found.kind, history, steps, _objects(settings, history), records)


def _show_announced(settings: Settings, wanted: str, *, full: bool, as_json: bool) -> None:
    """Show the announcements of the last day of a specimen that the ledger does not know."""
    from services.common.errors import Rejected
    from services.common.events.base import now
    from services.common.topics import IMAGES
    from services.operations.trace.records import find_records
    from services.operations.trace.timeline import parked_windows, step_of

    records = find_records(settings, wanted, [(IMAGES, [(now() - _LOOK_BACK, now())]), *parked_windows(now())])
    steps = sorted(map(step_of, records.records), key=lambda step: step.at)
    if not steps:
        raise Rejected("id_unknown", f"neither the ledger nor the announcements of the last day contain {wanted!r}")
    if as_json:
        print_json({"biological_sample_id": wanted, "state": None, "timeline": [asdict(step) for step in steps]})
        return
    typer.echo("The ledger does not know it yet; announced on xray.images:")
    console().print(_table(steps, full=full))


def _objects(settings: Settings, history: SpecimenHistory) -> list[StoredObject]:
    from services.common.errors import Retriable
    from services.common.store import ObjectStore
    from services.operations.trace.timeline import object_keys

    store = ObjectStore(settings, connections=1)
    result = []
    for key, what in object_keys(history).items():
        try:
            result.append(StoredObject(what, key, store.exists(key)))
        except Retriable:
            result.append(StoredObject(what, key, None))
    return [*_erasures(store, history), *result]


def _erasures(store: ObjectStore, history: SpecimenHistory) -> Iterator[StoredObject]:
    """Yield the records of the specimen's erased images: their views are empty objects."""
    from services.common.erasure import erasure_of
    from services.common.errors import Retriable
    from services.common.keys import erasure_key

    for image in sorted({view.image_sha256 for view in history.views}):
        try:
            record = erasure_of(store, image)
        except Retriable:
            return
        if record is not None:
            yield StoredObject(f"{short(image)} {record.description}", erasure_key(image), exists=True)


def _payload(result: Trace) -> dict[str, object]:
    return {
        "biological_sample_id": result.biological_sample_id,
        "found_by": result.found_by,
        "state": asdict(result.history.state) if result.history.state else None,
        "timeline": [asdict(step) for step in result.steps],
        "objects": [asdict(one) for one in result.objects],
        "records_read": result.records.read,
        "topics_cut_short": result.records.cut_short,
    }


def _print(result: Trace, *, full: bool) -> None:
    from rich.markup import escape

    out, state = console(), result.history.state
    where = f"{escape(state.centre)}  [bold]{state.state}[/]" if state else "[bold]only rejected[/]"
    out.print(f"[bold]{escape(result.biological_sample_id)}[/]  {where}")
    out.print(_table(result.steps, full=full))
    out.print(facts("Objects", ((f"{one.what} ({_STATES[one.exists]})", one.key) for one in result.objects)))
    if result.records.cut_short:
        typer.echo(f"Too many records, not read to the end: {', '.join(result.records.cut_short)}", err=True)


def _table(steps: list[TraceStep], *, full: bool) -> Sheet:
    gaps = ["", *(seconds((after.at - before.at).total_seconds()) for before, after in pairwise(steps))]
    rows = (
        (
            step.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            gap,
            step.stage,
            step.what,
            short(step.about, full=full),
            step.record,
        )
        for step, gap in zip(steps, gaps, strict=True)
    )
    return table("Steps", ("time (UTC)", "after#", "stage", "what~", "id", "topic/partition/offset"), rows)
