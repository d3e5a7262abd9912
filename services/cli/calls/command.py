"""`xray calls [list]`, `xray calls export`.

New calls as they come, from the topic itself: what any subscriber sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from kafka import TopicPartition
from rich.markup import escape

from services.cli.calls.export import export
from services.cli.calls.lineage import described
from services.cli.groups import DefaultCommandGroup
from services.cli.options import SinceOption
from services.cli.output import JsonOption, console, moment, print_json, table
from services.common.errors import Fatal, Rejected
from services.common.events import PhenotypeCall, parse_event
from services.common.events.summary import CALL_COLUMNS, call_row, describe_call
from services.common.kafka.clients import reader
from services.common.settings import Settings, load
from services.common.topics import CALLS
from services.ledger.database import ledger
from services.ledger.queries import CallRecord, current_calls, specimen_history

_POLL_MS = 500


def new_calls(settings: Settings) -> Iterator[PhenotypeCall]:
    """Yield calls published from now on, until interrupted; records of another schema are passed over."""
    with reader(settings) as consumer:
        partitions = consumer.partitions_for_topic(CALLS.name)
        if not partitions:
            msg = f"topic {CALLS.name} does not exist; run `xray init`"
            raise Fatal(msg)
        consumer.assign([TopicPartition(CALLS.name, partition) for partition in partitions])
        consumer.seek_to_end()
        while True:
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                for record in records:
                    try:
                        yield parse_event(PhenotypeCall, record.value)
                    except Rejected:
                        continue


_DEFAULT: Final = "list"


class ListUnlessNamed(DefaultCommandGroup):
    """`xray calls ...` is `xray calls list ...`."""

    default_command = _DEFAULT


app = typer.Typer(cls=ListUnlessNamed, add_completion=False, rich_markup_mode="markdown")
app.command("export")(export)


@app.command(_DEFAULT)
def calls(
    *,
    specimen: Annotated[str | None, typer.Argument(help="biological_sample_id: show its call with lineage.")] = None,
    centre: Annotated[str | None, typer.Option(help="Only this centre's.")] = None,
    since: SinceOption = None,
    abnormal: Annotated[bool, typer.Option("--abnormal", help="Only specimens called abnormal.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new calls as they come; ends with Ctrl-C.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the current phenotype call of every specimen, the newest first.

    With a specimen: its call, the probability of every label by every model, and the lineage (images, views, tensor,
    models, timings). `images` counts the images that a call rests on: a late image makes a new call. `uncertain`
    names labels whose probability lies close to the threshold. --json prints one JSON document a call.

    `xray calls export FILE` writes them all to a Parquet or CSV file: see `xray calls export --help`.

    Examples:

        xray calls --abnormal --centre JAX --since 1d
        xray calls 183808
        xray calls --follow --json | jq -c '[.biological_sample_id, .vector]'
    """
    settings = load(Settings)
    if specimen is not None:
        _show_one(settings, specimen, as_json=as_json)
    elif follow:
        _follow(settings, centre, abnormal=abnormal, as_json=as_json)
    else:
        _list(settings, as_json=as_json, centre=centre, since=since, abnormal_only=abnormal, limit=limit)


def _list(settings: Settings, *, as_json: bool, **filters: Any) -> None:
    with ledger(settings) as connection:
        found = current_calls(connection, **filters)
    if as_json:
        for record in found:
            print_json(_document(record))
        return
    rows = [call_row(record.call, moment(record.recorded_at)) for record in found]
    console().print(table(f"{len(rows)} current calls", (*CALL_COLUMNS, "recorded (UTC)"), rows))


def _show_one(settings: Settings, specimen: str, *, as_json: bool) -> None:
    with ledger(settings) as connection:
        history = specimen_history(connection, specimen)
    if history is None:
        typer.echo(f"xray: nothing is known of specimen {specimen!r}", err=True)
        raise typer.Exit(1)
    if as_json:
        print_json(asdict(history) | {"calls": [_document(record) for record in history.calls]})
    else:
        for part in described(history):
            console().print(part)
    if not history.calls:
        typer.echo(f"xray: no call yet; see `xray specimens {specimen}`", err=True)
        raise typer.Exit(1)


def _follow(settings: Settings, centre: str | None, *, abnormal: bool, as_json: bool) -> None:
    for call in _wanted(new_calls(settings), centre, abnormal=abnormal):
        if as_json:
            print_json(call)
        else:
            text = f"[dim]{moment(call.produced_at)}[/]  {escape(call.biological_sample_id)}  {escape(call.centre)}  "
            console().print(
                text + f"[bold]{escape(describe_call(call))}[/]  P(abnormal) {call.consensus.level1:.2f}",
                soft_wrap=True,
            )


def _wanted(calls_: Iterable[PhenotypeCall], centre: str | None, *, abnormal: bool) -> Iterable[PhenotypeCall]:
    return (call for call in calls_ if centre in {None, call.centre} and (call.abnormal or not abnormal))


def _document(record: CallRecord) -> dict[str, Any]:
    ledger_fields: dict[str, datetime | bool] = {"recorded_at": record.recorded_at, "current": record.current}
    return record.call.model_dump(mode="json") | ledger_fields
