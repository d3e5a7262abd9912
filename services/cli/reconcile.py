"""`xray reconcile`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import moment_or_age
from services.cli.output import JsonOption, console, errors, print_json, short, table

if TYPE_CHECKING:
    from services.operations.reconcile.account import CentreAccount, MissingImage, Reconciliation

app = typer.Typer(add_completion=False)
Since = Annotated[
    datetime | None,
    typer.Option(parser=moment_or_age, metavar="AGE|TIME", help="Only images announced since, such as 2d."),
]


@app.command()
def reconcile(
    *,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=0, help="Most missing images to list.")] = 20,
    again: Annotated[
        bool, typer.Option("--announce-again", help="Announce the missing images again; correct data does not change.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Account for every announced image: called + incomplete + rejected + skipped + in flight + parked, by centre.

    Reads all of xray.images, what is unread between the services, and the ledger. An image counts once, however often
    it was announced. `incomplete` waits for the other view of its specimen, `skipped` shows skull, paw or hip,
    `in flight` is unread in a topic, `parked` waits on a retry topic for its source (host or bucket), which does not
    answer. Exit code 1 when an image is missing: it has no outcome and will get none.
    docs/operations.md explains what to do then.

    Examples:

        xray reconcile
        xray reconcile --since 7d --json | jq .missing
        xray reconcile --announce-again
    """
    from services.common.settings import ServiceSettings, load
    from services.operations.reconcile.account import announce_again, locations, reconcile_images
    from services.operations.servers import require

    settings = load(ServiceSettings)
    require(settings, "kafka", "postgres")
    with errors().status("reading topics and ledger"):
        result = reconcile_images(settings, since)
    if as_json:
        print_json(_payload(result, limit))
    else:
        _print(result, limit)
    if again and result.missing:
        count = announce_again(settings, locations(result.missing))
        typer.echo(f"{count} images announced again; run `xray reconcile` once they are through", err=True)
    if result.missing:
        raise typer.Exit(1)


def _payload(result: Reconciliation, limit: int) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "adds_up": not result.missing,
        "total": asdict(result.total),
        "centres": [asdict(one) for one in result.centres],
        "missing": [asdict(one) for one in result.missing[:limit]],
    }


def _print(result: Reconciliation, limit: int) -> None:
    from services.operations.reconcile.account import COLUMNS

    out = console()
    columns = ("centre", *(f"{name.replace('_', ' ')}#" for name in COLUMNS))
    rows = [_row(one.centre or "unreadable", one) for one in result.centres]
    out.print(table("Announced images", columns, [*rows, _row("total", result.total)]))
    if not result.missing:
        typer.echo("Every announced image is accounted for.")
        return
    shown = result.missing[:limit]
    title = f"{len(result.missing)} images are missing"
    if len(shown) < len(result.missing):
        title += f", the first {limit}"
    out.print(table(title, ("specimen", "centre", "event", "xray.images", "problem~"), map(_missing, shown)))
    out.print(*_advice(shown), sep="\n", soft_wrap=True)


def _row(name: str, one: CentreAccount) -> tuple[object, ...]:
    from services.operations.reconcile.account import COLUMNS

    return name, *(getattr(one, column) for column in COLUMNS)


def _missing(one: MissingImage) -> tuple[object, ...]:
    from services.operations.reconcile.account import EXPLANATIONS

    where = f"{one.partition}/{one.offset}"
    return one.biological_sample_id, one.centre, short(one.event_id), where, EXPLANATIONS[one.why]


def _advice(missing: Sequence[MissingImage]) -> list[str]:
    lines = ["To see how far one got: xray trace EVENT"]
    if any(one.why == "no_call" for one in missing):
        lines.append("Restart the assembler first: it does not publish a set of views that it remembers as published.")
    lines.append("To repair: xray reconcile --announce-again, then xray reconcile (docs/operations.md)")
    return lines
