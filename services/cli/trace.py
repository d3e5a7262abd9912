"""`xray trace`.

A specimen that the ledger does not know: its newest announcements on `xray.images`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.output import JsonOption, console, print_json, seconds, table
from services.common.errors import Rejected, Retriable
from services.common.events.base import now
from services.common.settings import Settings, load
from services.common.store import ObjectStore
from services.common.topics import IMAGES
from services.ledger.database import ledger
from services.ledger.queries import IdKind, SpecimenHistory, find_specimen, specimen_history
from services.operations.trace.stretches import TraceRecords, look
from services.operations.trace.timeline import TraceStep, object_keys, seen, timeline, windows

_LOOK_BACK: Final = timedelta(days=1)


def on_the_topic(settings: Settings, specimen: str) -> list[TraceStep]:
    """Return the announcements of the last day."""
    present = now()
    sightings = look(settings, specimen, [(IMAGES, [(present - _LOOK_BACK, present)])])
    return [seen(one) for one in sightings.records]


app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@dataclass(frozen=True)
class StoredObject:
    """An object of the specimen; `there` is None when the store could not be asked."""

    what: str
    key: str
    there: bool | None


@dataclass(frozen=True)
class Trace:
    """All that is shown of one specimen."""

    biological_sample_id: str
    found_by: IdKind
    history: SpecimenHistory
    steps: list[TraceStep]
    objects: list[StoredObject]
    sightings: TraceRecords


@app.command()
def trace(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Specimen, image event, picture's SHA-256, call, review or rejection; digests by their beginning.",
        ),
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Follow one specimen through all services: when each step was done, where its objects and records lie.

    Reads the ledger, then the specimen's partition of every topic, only around the times that the ledger names.
    Of a specimen that the ledger does not know yet, the newest announcements are looked for. Exit code 1 when nothing
    is known of the id. The services' logs tell the same: grep for the specimen, the event or the call.

    Examples:

        xray trace 183808
        xray trace 5d41402abc4b
        xray trace 183808 --json | jq -r '.timeline[] | [.at, .stage, .what] | @tsv'
    """
    settings = load(Settings)
    result = _trace(settings, wanted)
    if result is None:
        _show_announced(settings, wanted, as_json=as_json)
    elif as_json:
        print_json(_document(result))
    else:
        _print(result)


def _trace(settings: Settings, wanted: str) -> Trace | None:
    with ledger(settings) as connection:
        found = find_specimen(connection, wanted)
        if found is None:
            return None
        if found.biological_sample_id is None:
            raise Rejected("specimen_unknown", f"{wanted!r} is of a refused record that names no specimen")
        history = specimen_history(connection, found.biological_sample_id)
    if history is None:
        return None
    sightings = look(settings, found.biological_sample_id, windows(history))
    steps = timeline(history, sightings.records)
    return Trace(found.biological_sample_id, found.kind, history, steps, _objects(settings, history), sightings)


def _show_announced(settings: Settings, wanted: str, *, as_json: bool) -> None:
    """Show what the topic of images holds of a specimen that the ledger does not know."""
    steps = on_the_topic(settings, wanted)
    if not steps:
        raise Rejected("id_unknown", f"neither the ledger nor the announcements of the last day know {wanted!r}")
    if as_json:
        print_json({"biological_sample_id": wanted, "state": None, "timeline": [asdict(step) for step in steps]})
        return
    typer.echo("The ledger does not know it yet; announced on xray.images:")
    console().print(_table(steps))


def _objects(settings: Settings, history: SpecimenHistory) -> list[StoredObject]:
    store = ObjectStore(settings, connections=1)
    result = []
    for key, what in object_keys(history).items():
        try:
            result.append(StoredObject(what, key, store.exists(key)))
        except Retriable:
            result.append(StoredObject(what, key, None))
    return result


def _document(result: Trace) -> dict[str, object]:
    return {
        "biological_sample_id": result.biological_sample_id,
        "found_by": result.found_by,
        "state": asdict(result.history.state) if result.history.state else None,
        "timeline": [asdict(step) for step in result.steps],
        "objects": [asdict(one) for one in result.objects],
        "records_read": result.sightings.read,
        "topics_cut_short": result.sightings.cut_short,
    }


def _print(result: Trace) -> None:
    out, state = console(), result.history.state
    where = f"{escape(state.centre)}  [bold]{state.state}[/]" if state else "[bold]only refused[/]"
    out.print(f"[bold]{escape(result.biological_sample_id)}[/]  {where}")
    out.print(_table(result.steps))
    there = {True: "there", False: "MISSING", None: "store away"}
    rows = [(one.what, there[one.there], one.key) for one in result.objects]
    out.print(table("Objects", ("object", "state", "key"), rows))
    if result.sightings.cut_short:
        typer.echo(f"Too many records, not read to the end: {', '.join(result.sightings.cut_short)}", err=True)


def _table(steps: list[TraceStep]) -> Table:
    gaps = ["", *(seconds((after.at - before.at).total_seconds()) for before, after in pairwise(steps))]
    rows = (
        (step.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], gap, step.stage, step.what, step.about[:12], step.place)
        for step, gap in zip(steps, gaps, strict=True)
    )
    return table("Steps", ("time (UTC)", "after#", "stage", "what", "id", "topic/partition/offset"), rows)
