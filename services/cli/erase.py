"""`xray erase`: the bytes of images removed for good, with a record of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import moment_or_age, settings_for, user
from services.cli.output import JsonOption, console, errors, print_json, short, table

if TYPE_CHECKING:
    from services.operations.erasure import ErasurePlan, ErasureReport

app = typer.Typer(add_completion=False)
_YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


@app.command()
def erase(
    wanted: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="A specimen, or an image: its SHA-256 or its event, by the first characters."
        ),
    ] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    by: Annotated[str | None, typer.Option(help="Who erases it.  [default: your user name]")] = None,
    refused_before: Annotated[
        str | None,
        typer.Option(
            metavar="AGE|TIME", help="Instead of an ID: the originals of images that intake refused before this."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be erased.")] = False,
    yes: _YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the stored bytes of an image, or of all images of a specimen: original, standardised views, tensors.

    An image is erased wherever it was announced, so specimens that have the same file lose it too. It is withdrawn
    first. A record of who erased what, and why, stays in the object store (erasures/), and the rows of the ledger stay:
    `xray trace` shows both. The same file is never stored again: intake rejects it as image_erased. If the command is
    interrupted, run it again. docs/security.md lists the copies that it cannot reach.

    --refused-before deletes the originals of images that intake refused. They may be announced again.

    Examples:

        xray erase 5d41402abc4b --reason "request of the centre" --dry-run
        xray erase 183808 --reason "request of the centre" --yes
        xray erase --refused-before 365d --yes
    """
    if (wanted is None) == (refused_before is None):
        message = "give an ID or --refused-before"
        raise typer.BadParameter(message)
    if refused_before is not None:
        _erase_refused(refused_before, dry_run=dry_run, yes=yes, as_json=as_json)
    elif not reason.strip():
        message = "--reason is needed for the record"
        raise typer.BadParameter(message)
    elif wanted is not None:
        _erase(wanted, reason, by or user(), dry_run=dry_run, yes=yes, as_json=as_json)


def _erase(wanted: str, reason: str, who: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    from services.common.events.base import now
    from services.common.store import ObjectStore
    from services.ledger.database import ledger
    from services.operations.erasure import erase as erase_images
    from services.operations.erasure import plan_erasure
    from services.operations.withdrawal import publish

    settings = settings_for("kafka", "objects", "postgres")
    with ledger(settings) as connection:
        plan = plan_erasure(connection, wanted)
    if not as_json:
        _print_plan(plan)
    if dry_run:
        if as_json:
            print_json(asdict(plan))
        return
    _confirm(f"erase {len(plan.images)} images for good", yes=yes)
    report = erase_images(
        ObjectStore(settings),
        lambda withdrawals: publish(settings, withdrawals),
        plan,
        reason=reason,
        who=who,
        erased_at=now(),
    )
    if as_json:
        print_json({"images": plan.images, "specimens": plan.specimens} | asdict(report))
    else:
        _print_report(report)


def _erase_refused(refused_before: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    from services.common.store import ObjectStore
    from services.ledger.database import ledger
    from services.ledger.queries import refused_originals
    from services.operations.erasure import erase_refused

    before = moment_or_age(refused_before)
    settings = settings_for("objects", "postgres")
    with ledger(settings) as connection:
        count = len(refused_originals(connection, before))
        if not dry_run:
            _confirm(f"delete the originals of {count} refused images", yes=yes)
            count = erase_refused(ObjectStore(settings), connection, before)
    if as_json:
        print_json({"dry_run": dry_run, "originals": count})
    else:
        errors().print(f"{count} refused images" if dry_run else f"{count} originals deleted", markup=False)


def _confirm(what: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(f"Really {what}?", abort=True, err=True)


def _print_plan(plan: ErasurePlan) -> None:
    console().print(table(f"{len(plan.images)} images", ("image",), ((short(image),) for image in plan.images)))
    errors().print(f"of {', '.join(plan.specimens)}", markup=False)


def _print_report(report: ErasureReport) -> None:
    counts = f"{report.originals} originals, {report.views} views and {report.tensors} tensors erased"
    errors().print(f"{counts}, {report.withdrawn} views withdrawn", markup=False)
    if not report.all_tensors:
        text = "a specimen has so many views that tensors of sets without a call may remain (docs/security.md)"
        errors().print(text, markup=False)
