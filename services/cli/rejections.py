"""`xray rejections list|show|replay`.

`xray rejections`: what was refused, why, and sending it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import RenderableType
from rich.markup import escape
from rich.syntax import Syntax

from services.cli.options import SinceOption
from services.cli.output import JsonOption, console, moment, print_json, table
from services.common.events import Rejection
from services.common.settings import Settings, load
from services.ledger.database import ledger
from services.ledger.queries import rejection_counts, rejections
from services.operations.replay import chosen, found, replay

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="What was refused and why; nothing refused is ever lost, and everything can be sent again.\n\n"
    "docs/intake.md explains the reason codes.",
)
_SHOWN_BYTES: Final = 2000
_SHORT_ID: Final = 12
Id = Annotated[str, typer.Argument(help="Id of a rejection, or the beginning of it.")]
Reason = Annotated[str | None, typer.Option(help="Only this reason code.")]
Stage = Annotated[str | None, typer.Option(help="Only this stage (intake, assembler, ...).")]
Centre = Annotated[str | None, typer.Option(help="Only this centre's.")]
Specimen = Annotated[str | None, typer.Option(help="Only this specimen's.")]


@app.command("list")
def list_(
    *,
    reason: Reason = None,
    stage: Stage = None,
    centre: Centre = None,
    specimen: Specimen = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    counts: Annotated[bool, typer.Option("--counts", help="Count by stage and reason instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List rejections, the newest first, or count them by reason.

    Examples:

        xray rejections list --counts --centre TCP
        xray rejections list --reason digest_mismatch --since 1d
    """
    with ledger(load(Settings)) as connection:
        if counts:
            _print_counts(rejection_counts(connection, centre=centre, since=since), as_json=as_json)
            return
        filters = {"reason": reason, "stage": stage, "centre": centre, "biological_sample_id": specimen}
        rows = rejections(connection, **filters, since=since, limit=limit)
    if as_json:
        for row in rows:
            print_json(asdict(row))
        return
    columns = ("id", "recorded (UTC)", "stage", "reason", "specimen", "centre", "words")
    cells = (
        (
            r.rejection_id[:_SHORT_ID],
            moment(r.recorded_at),
            r.stage,
            r.reason,
            r.biological_sample_id,
            r.centre,
            r.words,
        )
        for r in rows
    )
    console().print(table(f"{len(rows)} rejections", columns, cells))


@app.command()
def show(
    rejection: Id,
    *,
    save: Annotated[Path | None, typer.Option(help="Write the refused record's bytes to this file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show one rejection with the refused record itself.

    Examples:

        xray rejections show 3f9a1c
        xray rejections show 3f9a1c --save record.json
    """
    with ledger(load(Settings)) as connection:
        one = found(connection, rejection)
    if save is not None:
        save.write_bytes(one.original_bytes() or b"")
        typer.echo(f"{len(one.original_bytes() or b'')} bytes written to {save}", err=True)
    if as_json:
        print_json(one)
        return
    for part in _described(one):
        console().print(part)


@app.command("replay")
def replay_(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of rejections, or beginnings of them.")] = None,
    *,
    reason: Reason = None,
    stage: Stage = None,
    centre: Centre = None,
    specimen: Specimen = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send refused records again, once what was wrong is mended (a limit, an object that had not arrived, a bug).

    Each record goes to the topic it came from with its original bytes, key and headers, and a header
    xray-replay-of with the rejection's id. Replaying twice does no harm; a record that is still bad is refused again.

    Examples:

        xray rejections replay 3f9a1c 77b0de
        xray rejections replay --reason object_missing --dry-run
    """
    filters = {"reason": reason, "stage": stage, "centre": centre, "biological_sample_id": specimen}
    if not ids and not any(filters.values()):
        message = "name rejections, or give --reason, --stage, --centre or --specimen"
        raise typer.BadParameter(message, param_hint="IDS")
    settings = load(Settings)
    count = 0
    with ledger(settings) as connection:
        records = chosen(connection, ids or (), limit=limit, **filters)
        for one in records if dry_run else replay(settings, records):
            count += 1
            _print_replayed(one, dry_run=dry_run, as_json=as_json)
    if not as_json:
        typer.echo(f"{count} records {'would be ' * dry_run}sent again", err=True)


def _print_counts(counts: list[Any], *, as_json: bool) -> None:
    if as_json:
        for one in counts:
            print_json(asdict(one))
        return
    rows = ((one.stage, one.reason, one.count, moment(one.newest)) for one in counts)
    console().print(table("Rejections by reason", ("stage", "reason", "count#", "newest (UTC)"), rows))


def _print_replayed(one: Rejection, *, dry_run: bool, as_json: bool) -> None:
    fields = {"rejection_id": one.rejection_id, "topic": one.source_topic, "reason": one.reason, "sent": not dry_run}
    if as_json:
        print_json(fields)
    else:
        specimen = one.biological_sample_id or ""
        console().print(escape(f"{one.rejection_id[:_SHORT_ID]}  {one.source_topic}  {one.reason}  {specimen}"))


def _described(one: Rejection) -> Iterator[RenderableType]:
    yield f"[bold]{escape(one.reason)}[/] at {escape(one.stage)}: {escape(one.words)}"
    rows = [
        ("id", one.rejection_id),
        ("specimen", one.biological_sample_id),
        ("centre", one.centre),
        ("from", f"{one.source_topic}, partition {one.source_partition}, offset {one.source_offset}"),
        ("announced", moment(one.source_timestamp)),
        ("refused", moment(one.produced_at)),
        *((f"detail {name}", json.dumps(value, ensure_ascii=False)) for name, value in one.details.items()),
        *((f"header {name}", value) for name, value in one.headers),
    ]
    yield table("Rejection", ("what", "value"), rows)
    original = one.original_bytes()
    if original is None:
        yield "The record had no value."
    else:
        yield f"The record, {len(original)} bytes (--save FILE writes it):"
        yield _preview(original)


def _preview(original: bytes) -> RenderableType:
    """Show JSON indented, other text as it is, anything else in hexadecimal."""
    try:
        text = original.decode()
    except UnicodeDecodeError:
        return original[: _SHOWN_BYTES // 4].hex(" ", 2)
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return escape(text[:_SHOWN_BYTES])
    return Syntax(text[:_SHOWN_BYTES], "json", background_color="default", word_wrap=True)
