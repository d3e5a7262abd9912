"""`xray specimens`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from services.cli.calls.lineage import images, rejections, views
from services.cli.options import duration
from services.cli.output import JsonOption, console, moment, print_json, table
from services.common.settings import Settings, load
from services.ledger.database import Connection, ledger
from services.ledger.queries import SpecimenState, centre_counts, incomplete_specimens, specimen_history

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
_COLUMNS = ("specimen", "centre", "state", "since (UTC)", "images#", "DV views#", "LAT views#", "skipped#", "rejected#")


@app.command()
def specimens(
    *,
    specimen: Annotated[str | None, typer.Argument(help="biological_sample_id: show where it stands.")] = None,
    incomplete: Annotated[bool, typer.Option("--incomplete", help="List those that lack a DV or a LAT view.")] = False,
    older_than: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="AGE", help="With --incomplete: announced longer ago.")
    ] = None,
    centre: Annotated[str | None, typer.Option(help="Only this centre's.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Count the specimens of every centre: announced, complete, called, rejected images.

    With a specimen: its state, images, views and rejections. A specimen is complete once it has a DV and a LAT view;
    until then nothing is wrong by itself: an image may come late. `skipped` counts images of skull, paw and hip.

    Examples:

        xray specimens
        xray specimens 183808
        xray specimens --incomplete --older-than 1h --centre JAX
    """
    with ledger(load(Settings)) as connection:
        if specimen is not None:
            _show_one(connection, specimen, as_json=as_json)
        elif incomplete:
            _list_incomplete(connection, older_than or timedelta(), centre, limit, as_json=as_json)
        else:
            _count(connection, centre, as_json=as_json)


def _show_one(connection: Connection, specimen: str, *, as_json: bool) -> None:
    history = specimen_history(connection, specimen)
    if history is None:
        typer.echo(f"xray: nothing is known of specimen {specimen!r}", err=True)
        raise typer.Exit(1)
    if as_json:
        print_json(asdict(history))
        return
    if history.state:
        console().print(table("Specimen", _COLUMNS, [_row(history.state)]))
    if history.images:
        console().print(images(history))
    if history.views:
        console().print(views(history))
    if history.rejections:
        console().print(rejections(history))


def _list_incomplete(
    connection: Connection, older_than: timedelta, centre: str | None, limit: int, *, as_json: bool
) -> None:
    found = incomplete_specimens(connection, older_than, centre=centre, limit=limit)
    if as_json:
        for state in found:
            print_json(asdict(state))
        return
    console().print(table(f"{len(found)} incomplete specimens", _COLUMNS, map(_row, found)))


def _count(connection: Connection, centre: str | None, *, as_json: bool) -> None:
    counts = [count for count in centre_counts(connection) if centre in {None, count.centre}]
    if as_json:
        for count in counts:
            print_json(asdict(count))
        return
    columns = ("centre", "specimens#", "complete#", "called#", "called abnormal#", "rejected images#")
    rows = [(c.centre or "unreadable", c.specimens, c.complete, c.called, c.abnormal, c.rejected) for c in counts]
    console().print(table("Specimens by centre", columns, rows))


def _row(state: SpecimenState) -> tuple[object, ...]:
    return (
        state.biological_sample_id,
        state.centre,
        state.state,
        moment(state.since),
        state.images,
        state.dv_views,
        state.lat_views,
        state.skipped,
        state.rejected,
    )
