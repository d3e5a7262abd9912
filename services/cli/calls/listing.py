"""Lists current calls, shows one specimen's, and prints new ones as they arrive."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import typer
from rich.markup import escape

from services.cli.calls.lineage import described
from services.cli.options import require_known, settings_for
from services.cli.output import console, moment, print_json, table
from services.common.errors import Rejected
from services.common.events import CallAbstention, CallWithdrawal, PhenotypeCall
from services.common.events.summary import describe_call
from services.common.kafka.clients import reader
from services.common.kafka.reading import partitions_of
from services.common.settings import Settings
from services.common.topics import CALLS
from services.ledger.database import ledger
from services.ledger.queries import (
    CallRecord,
    current_abstentions,
    current_calls,
    known_centres,
    specimen_history,
    specimen_named,
)

_POLL_MS: Final = 500
_COLUMNS: Final = ("specimen", "centre", "call~", "P(abnormal)#", "uncertain~", "images#", "recorded (UTC)")


def list_current(
    centre: str | None, since: datetime | None, *, abnormal: bool, abstained: bool, limit: int, as_json: bool
) -> None:
    """Print current calls that match, or with `abstained` the specimens that were not called.

    Raises typer.BadParameter for a centre that the ledger has never seen.
    """
    with ledger(settings_for("postgres")) as connection:
        if centre is not None:
            require_known(centre, known_centres(connection), "centre", "--centre")
        if abstained:
            _list_abstentions(current_abstentions(connection, centre=centre, since=since, limit=limit), as_json=as_json)
            return
        found = current_calls(connection, centre=centre, since=since, abnormal_only=abnormal, limit=limit)
    if as_json:
        for record in found:
            print_json(_payload(record))
    else:
        console().print(table(f"{len(found)} current calls", _COLUMNS, map(_cells, found)))


def _list_abstentions(found: list[CallAbstention], *, as_json: bool) -> None:
    if as_json:
        for event in found:
            print_json(event)
        return
    columns = ("specimen", "centre", "reasons~", "unfamiliarity#", "images#", "produced (UTC)")
    console().print(table(f"{len(found)} specimens not called", columns, map(_abstention_cells, found)))


def _abstention_cells(event: CallAbstention) -> tuple[object, ...]:
    measured = "" if event.unfamiliarity is None else f"{event.unfamiliarity:.3f}"
    images, at = len(event.views), moment(event.produced_at)
    return event.biological_sample_id, event.centre, ", ".join(event.reasons), measured, images, at


def show_one(specimen: str, *, full: bool, as_json: bool) -> None:
    """Print a specimen's call and lineage; exit code 1 if it is unknown or has no call."""
    with ledger(settings_for("postgres")) as connection:
        history = specimen_history(connection, specimen_named(connection, specimen))
    if history is None:
        typer.echo(f"xray: specimen {specimen!r} is unknown", err=True)
        raise typer.Exit(1)
    if as_json:
        print_json(asdict(history) | {"calls": [_payload(record) for record in history.calls]})
    else:
        for part in described(history, full=full):
            console().print(part, soft_wrap=isinstance(part, str))
    if not any(record.current for record in history.calls):
        typer.echo(f"xray: no call; see `xray specimens {specimen}`", err=True)
        raise typer.Exit(1)


def follow(centre: str | None, *, abnormal: bool, as_json: bool) -> None:
    """Print the calls that are published from now on, as any subscriber of the topic sees them, until interrupted."""
    for call in _new_calls(settings_for("kafka")):
        if centre not in {None, call.centre} or (abnormal and isinstance(call, PhenotypeCall) and not call.abnormal):
            continue
        if as_json:
            print_json(call)
            continue
        where = f"[dim]{moment(call.produced_at)}[/]  {escape(call.biological_sample_id)}  {escape(call.centre)}"
        if isinstance(call, CallAbstention):
            what = f"[bold]not called[/]  {escape(', '.join(call.reasons))}"
        elif isinstance(call, PhenotypeCall):
            what = f"[bold]{escape(describe_call(call))}[/]  P(abnormal) {call.consensus.level1:.2f}"
        else:
            what = f"[bold]no call any more[/]  {escape(call.reason)}"
        console().print(f"{where}  {what}", soft_wrap=True)


def _new_calls(settings: Settings) -> Iterator[PhenotypeCall | CallAbstention | CallWithdrawal]:
    """Yield new and lost calls; records of another schema are skipped. Raises Fatal when the topic does not exist."""
    with reader(settings) as consumer:
        consumer.assign(partitions_of(consumer, CALLS.name))
        consumer.seek_to_end()
        while True:
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                for record in records:
                    try:
                        event = CALLS.parse(record.value)
                    except Rejected:
                        continue
                    if isinstance(event, PhenotypeCall | CallAbstention | CallWithdrawal):
                        yield event


def _cells(record: CallRecord) -> tuple[object, ...]:
    call = record.call
    return (
        call.biological_sample_id,
        call.centre,
        describe_call(call),
        f"{call.consensus.level1:.2f}",
        ", ".join(call.uncertain),
        len(call.views),
        moment(record.recorded_at),
    )


def _payload(record: CallRecord) -> dict[str, Any]:
    ledger_fields: dict[str, datetime | bool] = {"recorded_at": record.recorded_at, "current": record.current}
    return record.call.model_dump(mode="json") | ledger_fields
