"""`xray reconcile`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from services.cli.options import moment_or_age
from services.cli.output import JsonOption, console, errors, print_json, table
from services.common.settings import ServiceSettings, load
from services.ledger.database import ledger
from services.ledger.queries import image_fates, recorded_images, refused_images, unreadable_records
from services.operations.reconcile.account import (
    COLUMNS,
    WORDS,
    CentreAccount,
    LedgerSide,
    Missing,
    Reconciliation,
    account,
    announce_again,
    places,
)
from services.operations.reconcile.snapshot import Snapshot, take

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
Since = Annotated[
    datetime | None,
    typer.Option(parser=moment_or_age, metavar="AGE|TIME", help="Only images announced since, say 2d."),
]


@app.command()
def reconcile(
    *,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=0, help="Name at most so many missing images.")] = 20,
    again: Annotated[
        bool, typer.Option("--announce-again", help="Announce the missing images again; that changes nothing else.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Account for every announced image: called + incomplete + rejected + skipped + in flight, by centre.

    Reads xray.images whole, what lies unread between the services, and the ledger. An image counts once, however
    often it was announced. `incomplete` waits for the other view of its specimen, `skipped` is of skull, paw or hip,
    `in flight` lies unread in a topic. Exit code 1 when an image is missing: nothing accounts for it, and nothing will.
    docs/operations.md tells what to do then.

    Examples:

        xray reconcile
        xray reconcile --since 7d --json | jq .missing
        xray reconcile --announce-again
    """
    settings = load(ServiceSettings)
    with errors().status("reading topics and ledger"):
        result = _account(settings, since)
    if as_json:
        print_json(_document(result, limit))
    else:
        _print(result, limit)
    if again and result.missing:
        count = announce_again(settings, places(result.missing))
        typer.echo(f"{count} images announced again; reconcile once they are through", err=True)
    if result.missing:
        raise typer.Exit(1)


def _account(settings: ServiceSettings, since: datetime | None) -> Reconciliation:
    """Take the topics first, then the ledger: so nothing can slip through between the two."""
    topics = take(settings, since)
    return account(topics, _ledger_side(settings, topics, since))


def _ledger_side(settings: ServiceSettings, topics: Snapshot, since: datetime | None) -> LedgerSide:
    with ledger(settings) as connection:
        fates = image_fates(connection, since=since)
        others = sorted(topics.announcements.keys() - {one.event_id for one in fates})
        return LedgerSide(
            fates,
            unreadable_records(connection),
            refused=refused_images(connection, others),
            earlier=recorded_images(connection, others),
        )


def _document(result: Reconciliation, limit: int) -> dict[str, object]:
    return {
        "adds_up": not result.missing,
        "total": asdict(result.total),
        "centres": [asdict(one) for one in result.centres],
        "missing": [asdict(one) for one in result.missing[:limit]],
    }


def _print(result: Reconciliation, limit: int) -> None:
    out = console()
    columns = ("centre", *(f"{name.replace('_', ' ')}#" for name in COLUMNS))
    rows = [_row(one.centre or "unreadable", one) for one in result.centres]
    out.print(table("Announced images", columns, [*rows, _row("total", result.total)]))
    if not result.missing:
        typer.echo("Every announced image is accounted for.")
        return
    shown = result.missing[:limit]
    out.print(
        table(
            f"{len(result.missing)} images are missing"
            + (f", the first {limit}" if len(shown) < len(result.missing) else ""),
            ("specimen", "centre", "event", "xray.images", "what is wrong"),
            map(_missing, shown),
        )
    )
    out.print(*_advice(shown), sep="\n", soft_wrap=True)


def _row(name: str, one: CentreAccount) -> tuple[object, ...]:
    return name, *(getattr(one, column) for column in COLUMNS)


def _missing(one: Missing) -> tuple[object, ...]:
    event = one.event_id[:12] if one.event_id else ""
    return one.biological_sample_id, one.centre, event, f"{one.partition}/{one.offset}", WORDS[one.why]


def _advice(missing: Sequence[Missing]) -> list[str]:
    lines = ["See how far one came: xray trace EVENT"]
    if any(one.why == "no_call" for one in missing):
        lines.append("Restart the assembler first: it publishes no set of views that it remembers as published.")
    lines.append("Mend: xray reconcile --announce-again, then xray reconcile (docs/operations.md)")
    return lines
