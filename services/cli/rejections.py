"""`xray rejections list|show|replay`: what was rejected, why, and sending it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.cli.options import SinceOption, require_known, settings_for
from services.cli.output import JsonOption, console, facts, moment, print_json, short, table, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from services.common.events import Rejection
    from services.ledger.database import Connection
    from services.ledger.queries import RejectionCount, RejectionSummary

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Show what was rejected and why, and send it again. No rejected record is ever lost.\n\n"
    "docs/intake.md explains the reason codes.",
)
_SHOWN_BYTES: Final = 2000
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a rejection, or the first characters of it.")]
Reason = Annotated[str | None, typer.Option(help="Only this reason code.")]
Stage = Annotated[str | None, typer.Option(help="Only this stage (intake, assembler, ...).")]
Centre = Annotated[str | None, typer.Option(help="Only rejections of this centre.")]
Specimen = Annotated[str | None, typer.Option(help="Only rejections of this specimen.")]


@app.command("list")
def list_(
    *,
    reason: Reason = None,
    stage: Stage = None,
    centre: Centre = None,
    specimen: Specimen = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rejections to list.")] = 50,
    counts: Annotated[bool, typer.Option("--counts", help="Count by stage and reason instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List rejections, newest first, or count them.

    Each has the name of its file and the message with the measured value and its limit.

    Examples:

        xray rejections list --counts --centre TCP
        xray rejections list --reason digest_mismatch --since 1d
    """
    from services.ledger.database import ledger
    from services.ledger.queries import rejection_counts, rejections

    with ledger(settings_for("postgres")) as connection:
        _require_known(connection, reason, centre)
        if counts:
            _print_counts(rejection_counts(connection, centre=centre, since=since), as_json=as_json)
            return
        filters = {"reason": reason, "stage": stage, "centre": centre, "biological_sample_id": specimen}
        found = rejections(connection, **filters, since=since, limit=limit)
    if as_json:
        for one in found:
            print_json(asdict(one))
        return
    columns = ("id", "recorded (UTC)", "stage", "reason", "specimen", "centre", "file", "message~")
    console().print(table(f"{len(found)} rejections", columns, map(_row, found)))


@app.command()
def show(
    rejection: Id,
    *,
    save: Annotated[Path | None, typer.Option(help="Write the rejected record's bytes to this file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show one rejection with the rejected record.

    Examples:

        xray rejections show 3f9a1c
        xray rejections show 3f9a1c --save record.json
    """
    from services.common.errors import Rejected
    from services.common.events.rejection import UNREADABLE
    from services.ledger.database import ledger
    from services.operations.replay import find

    with ledger(settings_for("postgres")) as connection:
        one = find(connection, rejection)
    if save is not None:
        if one.original_bytes() is None and (one.left_out or one.reason == UNREADABLE):
            raise Rejected("original_absent", _absent(one))
        save.write_bytes(one.original_bytes() or b"")
        typer.echo(f"{len(one.original_bytes() or b'')} bytes written to {save}", err=True)
    if as_json:
        print_json(one)
        return
    for part in _described(one):
        console().print(part)


@app.command("replay")
def replay_(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Ids of rejections, or the first characters of them.")
    ] = None,
    *,
    reason: Reason = None,
    stage: Stage = None,
    centre: Centre = None,
    specimen: Specimen = None,
    limit: Annotated[int, typer.Option(min=1, help="Most records to send.")] = 1000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send rejected records again after the cause is fixed.

    A cause may be a limit, an object that arrived late, or a bug. Each record goes to the topic it came from with its
    original bytes, key and headers, and a header xray-replay-of with the id of the rejection. Replaying twice does no
    harm; a record that is still bad is rejected again. A record that is too large for its rejection is read from its
    topic, for as long as the topic holds it. Records that cannot be sent again are named at the end.

    Examples:

        xray rejections replay 3f9a1c 77b0de
        xray rejections replay --reason object_missing --dry-run
    """
    from services.ledger.database import ledger
    from services.operations.replay import choose, replay

    filters = {"reason": reason, "stage": stage, "centre": centre, "biological_sample_id": specimen}
    if not ids and not any(filters.values()):
        message = "give ids of rejections, or --reason, --stage, --centre or --specimen"
        raise typer.BadParameter(message, param_hint="ID")
    settings = settings_for("kafka", "postgres")
    count = 0
    with ledger(settings) as connection:
        _require_known(connection, reason, centre)
        records = choose(connection, ids or (), limit=limit, **filters)
        for one in records if dry_run else replay(settings, records):
            count += 1
            _print_replayed(one, dry_run=dry_run, as_json=as_json)
    if not as_json:
        typer.echo(f"{count} records {'would be ' * dry_run}sent again", err=True)


def _require_known(connection: Connection, reason: str | None, centre: str | None) -> None:
    from services.ledger.queries import known_centres, known_reasons
    from services.operations.replay import REASONS

    if reason is not None:
        require_known(reason, REASONS | known_reasons(connection), "reason code", "--reason")
    if centre is not None:
        require_known(centre, known_centres(connection), "centre", "--centre")


def _row(one: RejectionSummary) -> tuple[object, ...]:
    from services.cli.calls.lineage import explained

    where = (one.stage, one.reason, one.biological_sample_id, one.centre, one.file_name)
    return short(one.rejection_id), moment(one.recorded_at), *where, explained(one)


def _print_counts(counts: list[RejectionCount], *, as_json: bool) -> None:
    if as_json:
        for one in counts:
            print_json(asdict(one))
        return
    rows = ((one.stage, one.reason, one.count, moment(one.newest)) for one in counts)
    console().print(table("Rejections by reason", ("stage", "reason", "count#", "newest (UTC)"), rows))


def _print_replayed(one: Rejection, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        sent: dict[str, Any] = {"rejection_id": one.rejection_id, "topic": one.source_topic, "reason": one.reason}
        print_json(sent | {"sent": not dry_run})
    else:
        specimen = visible(one.biological_sample_id or "")
        typer.echo(f"{short(one.rejection_id)}  {one.source_topic}  {one.reason}  {specimen}")


def _described(one: Rejection) -> Iterator[RenderableType]:
    from rich.markup import escape

    yield f"[bold]{escape(one.reason)}[/] at {escape(one.stage)}: {escape(one.words)}"
    yield facts(
        "Rejection",
        [
            ("id", one.rejection_id),
            ("specimen", one.biological_sample_id),
            ("centre", one.centre),
            ("from", f"{one.source_topic}, partition {one.source_partition}, offset {one.source_offset}"),
            ("announced (UTC)", moment(one.source_timestamp)),
            ("rejected (UTC)", moment(one.produced_at)),
            *((f"detail {name}", json.dumps(value, ensure_ascii=False)) for name, value in one.details.items()),
            *((f"header {name}", value) for name, value in one.headers),
        ],
    )
    original = one.original_bytes()
    if original is None:
        yield _absent(one)
    else:
        yield f"The record, {len(original)} bytes (--save FILE writes it):"
        yield _preview(original)


def _absent(one: Rejection) -> str:
    from services.common.events.rejection import UNREADABLE

    if one.reason == UNREADABLE:
        return "The record could not be read, so it cannot be sent again by a replay; its sender must send it again."
    if one.left_out is not None:
        return "The record is too large for its rejection. A replay reads it from its topic."
    return "The record had no value."


def _preview(original: bytes) -> RenderableType:
    """Show JSON indented, other text as it is, anything else in hexadecimal."""
    from rich.markup import escape
    from rich.text import Text

    try:
        text = original.decode()
    except UnicodeDecodeError:
        return original[: _SHOWN_BYTES // 4].hex(" ", 2)
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return escape(text[:_SHOWN_BYTES])
    return Text(text[:_SHOWN_BYTES], overflow="fold")
