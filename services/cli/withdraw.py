"""`xray withdraw`: pictures taken out of their specimen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from services.cli.options import settings_for, user
from services.cli.output import JsonOption, console, errors, print_json, short, table

if TYPE_CHECKING:
    from services.ledger.queries import AnnouncedView

app = typer.Typer(add_completion=False)
_Id = Annotated[
    str,
    typer.Argument(metavar="ID", help="A specimen, or an image: its SHA-256 or its event, by the first characters."),
]
_View = Annotated[Literal["DV", "LAT"] | None, typer.Option(help="Only where the image stands as this view.")]


@app.command()
def withdraw(
    wanted: _Id,
    *,
    reason: Annotated[str, typer.Option(help="Why, for those who read the history.")],
    by: Annotated[str | None, typer.Option(help="Who withdraws it.  [default: your user name]")] = None,
    view: _View = None,
    centre: Annotated[str | None, typer.Option(help="Only images that this centre announced.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the views and withdraw nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take an image, or all images of a specimen, out of what is called.

    The specimen is called again without the image. If a DV or a LAT view is missing then, it loses its call: the
    topic of calls and the ledger show a record of status withdrawn. A withdrawal is final: the same file of the same
    centre never counts again as that view of that specimen. Running the command twice changes nothing. `xray trace`
    shows who withdrew what, and why.

    An image that was announced as DV by mistake and again as LAT is withdrawn with --view DV. If two centres announced
    images under one id, --centre withdraws those of one.

    Examples:

        xray withdraw 5d41402abc4b --reason "blurred"
        xray withdraw 5d41402abc4b --view DV --reason "it shows the side"
        xray withdraw 183808 --centre TCP --reason "another animal has this id"
    """
    from services.common.events.base import now
    from services.ledger.database import ledger
    from services.operations.withdrawal import WithdrawalRequest, find_views, publish, withdrawals_of

    settings = settings_for("kafka", "postgres")
    with ledger(settings) as connection:
        found = find_views(connection, WithdrawalRequest(wanted, view, centre))
    withdrawn = withdrawals_of(found, reason=reason, who=by or user(), withdrawn_at=now())
    if not dry_run:
        publish(settings, withdrawn)
    if as_json:
        for one in withdrawn:
            print_json(one.model_dump(mode="json") | {"withdrawal_id": one.withdrawal_id})
    else:
        _print(found, 0 if dry_run else len(withdrawn), dry_run=dry_run)


def _print(found: Sequence[AnnouncedView], withdrawn: int, *, dry_run: bool) -> None:
    columns = ("specimen", "centre", "view", "image", "remark")
    rows = (
        (one.biological_sample_id, one.centre, one.view, short(one.image_sha256), _remark(one.withdrawn, dry_run))
        for one in found
    )
    console().print(table(f"{len(found)} views", columns, rows))
    errors().print(f"{withdrawn} withdrawn", markup=False)


def _remark(withdrawn: bool, dry_run: bool) -> str:
    if withdrawn:
        return "was withdrawn already"
    return "would be withdrawn" if dry_run else "withdrawn"
