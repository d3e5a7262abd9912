"""`xray specimens`: counts by centre, the incomplete ones, and the state of one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.options import duration, require_known, settings_for
from services.cli.output import FullOption, JsonOption, console, moment, print_json, table

if TYPE_CHECKING:
    from services.ledger.database import Connection
    from services.ledger.queries import SpecimenState

app = typer.Typer(add_completion=False)
_COLUMNS: Final = (
    "specimen",
    "centre",
    "state",
    "since (UTC)",
    "images#",
    "DV views#",
    "LAT views#",
    "at intake#",
    "skipped#",
    "rejected#",
)


@app.command()
def specimens(
    *,
    specimen: Annotated[
        str | None, typer.Argument(metavar="SPECIMEN", help="Show this specimen; takes the same ids as `xray trace`.")
    ] = None,
    incomplete: Annotated[bool, typer.Option("--incomplete", help="List those that lack a DV or a LAT view.")] = False,
    older_than: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="AGE", help="With --incomplete: announced longer ago.")
    ] = None,
    centre: Annotated[str | None, typer.Option(help="Only specimens of this centre.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most specimens to list.")] = 100,
    full: FullOption = False,
    as_json: JsonOption = False,
) -> None:
    """Count the specimens of every centre: announced, complete, called, rejected images.

    With a specimen: its state, images, views and rejections. A specimen is complete once it has a DV and a LAT view.
    Until then it is incomplete, which is not an error: an image may arrive late. `waiting at intake` means that intake
    has not handled an announced image yet; see `xray status`. `skipped` counts images of skull, paw and hip.

    Examples:

        xray specimens
        xray specimens 183808
        xray specimens --incomplete --older-than 1h --centre JAX
    """
    from services.ledger.database import ledger
    from services.ledger.queries import known_centres

    with ledger(settings_for("postgres")) as connection:
        if centre is not None:
            require_known(centre, known_centres(connection), "centre", "--centre")
        if specimen is not None:
            _show_one(connection, specimen, full=full, as_json=as_json)
        elif incomplete:
            _list_incomplete(connection, older_than or timedelta(), centre, limit, as_json=as_json)
        else:
            _count(connection, centre, as_json=as_json)


def _show_one(connection: Connection, specimen: str, *, full: bool, as_json: bool) -> None:
    from services.cli.calls.lineage import images, rejections, views, waiting_at_intake, withdrawals
    from services.ledger.queries import specimen_history, specimen_named

    history = specimen_history(connection, specimen_named(connection, specimen))
    if history is None:
        typer.echo(f"xray: specimen {specimen!r} is unknown", err=True)
        raise typer.Exit(1)
    waiting = [image.event.event_id for image in waiting_at_intake(history)]
    if as_json:
        print_json(asdict(history) | {"waiting_at_intake": waiting})
        return
    if history.state:
        console().print(table("Specimen", _COLUMNS, [_row(history.state, waiting)]))
    if history.images:
        console().print(images(history))
    if history.views:
        console().print(views(history, full=full))
    if history.withdrawals:
        console().print(withdrawals(history))
    if history.rejections:
        console().print(rejections(history))


def _list_incomplete(
    connection: Connection, older_than: timedelta, centre: str | None, limit: int, *, as_json: bool
) -> None:
    from services.ledger.queries import images_at_intake, incomplete_specimens

    found = incomplete_specimens(connection, older_than, centre=centre, limit=limit)
    waiting = images_at_intake(connection, [state.biological_sample_id for state in found])
    if as_json:
        for state in found:
            print_json(asdict(state) | {"waiting_at_intake": sorted(waiting.get(state.biological_sample_id, ()))})
        return
    rows = [_row(state, waiting.get(state.biological_sample_id, ())) for state in found]
    console().print(table(f"{len(found)} incomplete specimens", _COLUMNS, rows))


def _count(connection: Connection, centre: str | None, *, as_json: bool) -> None:
    from services.ledger.queries import centre_counts

    counts = [count for count in centre_counts(connection) if centre in {None, count.centre}]
    if as_json:
        for count in counts:
            print_json(asdict(count))
        return
    columns = (
        "centre",
        "specimens#",
        "complete#",
        "called#",
        "called abnormal#",
        "not called by the models#",
        "rejected images#",
    )
    rows = [
        (c.centre or "unreadable", c.specimens, c.complete, c.called, c.abnormal, c.abstained, c.rejected)
        for c in counts
    ]
    console().print(table("Specimens by centre", columns, rows))


def _row(state: SpecimenState, waiting: Collection[str]) -> tuple[object, ...]:
    return (
        state.biological_sample_id,
        state.centre,
        "waiting at intake" if waiting and state.state == "incomplete" else state.state,
        moment(state.since),
        state.images,
        state.dv_views,
        state.lat_views,
        len(waiting),
        state.skipped,
        state.rejected,
    )
