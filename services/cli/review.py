"""`xray review`, `xray review list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from services.cli.groups import DefaultCommandGroup
from services.cli.options import SinceOption, user
from services.cli.output import JsonOption, console, errors, moment, print_json, table
from services.common.events.base import now
from services.common.events.summary import describe_review
from services.common.labels import LABEL_ORDER
from services.common.settings import Settings, load
from services.ledger.database import ledger
from services.ledger.queries import ReviewRecord, reviews
from services.operations.reviews import VERDICTS, BadReviewLine, Reviewed, ReviewLine, prepared, publish, read_lines

_DEFAULT: Final = "give"
Labels = Annotated[str, typer.Option(metavar="LABELS", help="Labels, separated by commas.")]


class GiveUnlessNamed(DefaultCommandGroup):
    """`xray review ...` is `xray review give ...`."""

    default_command = _DEFAULT


app = typer.Typer(cls=GiveUnlessNamed, add_completion=False, rich_markup_mode="markdown")


@app.command(_DEFAULT)
def give(
    *,
    specimen: Annotated[str | None, typer.Argument(help="biological_sample_id of an animal that has a call.")] = None,
    abnormal: Labels = "",
    normal: Labels = "",
    unknown: Annotated[str, typer.Option(metavar="LABELS", help="Labels of which nobody can say; withdrawn.")] = "",
    who: Annotated[str | None, typer.Option(help="Who says so; your user name unless given.")] = None,
    note: Annotated[str, typer.Option(help="What you add, in words.")] = "",
    file: Annotated[Path | None, typer.Option(help="CSV file of many reviews instead of one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a specimen shows, label by label, and see what its call says.

    The labels are Abnormal and the thirteen of a call, in any case; name those that you judged. The newest verdict on
    a label counts, whoever gave it; nothing is overwritten, `xray trace` shows them all. A verdict changes no call: it
    goes into the next training (`xray train collect`). In one review the hierarchy must hold: Fusion is not abnormal
    while Spine and Ribcage are both normal.

    **--file**: a CSV file with the column biological_sample_id and of abnormal, normal, unknown (labels with blanks
    between), who, note and reviewed_at those you need. Bad lines are named and the others sent; the exit code is then
    1. Sending a file again adds nothing.

    `xray review list` shows what was said.

    Examples:

        xray review 183808 --abnormal Spine,Fusion --normal Ribs --who "A. Curator" --note "L5 and L6 are one block"
        xray review 183808 --unknown Fusion
        xray review --file reviews.csv --who "A. Curator"
        xray review list 183808
    """
    if (specimen is None) == (file is None):
        message = "name a specimen, or a file of many by --file"
        raise typer.BadParameter(message, param_hint="SPECIMEN")
    curator = who or user()
    if file is not None and (abnormal or normal or unknown or note):
        message = "the file says the verdicts and notes; leave --abnormal, --normal, --unknown and --note out"
        raise typer.BadParameter(message, param_hint="--file")
    settings = load(Settings)
    if file is not None:
        _give_many(settings, read_lines(file, curator), file, as_json=as_json)
        return
    said = dict(zip(VERDICTS, (abnormal, normal, unknown), strict=True))
    good, bad = prepared(settings, [ReviewLine(0, specimen or "", said, curator, note, now())])
    if bad:
        raise bad[0].error
    publish(settings, [good[0].review], lambda _: None)
    _show_one(good[0], as_json=as_json)


@app.command("list")
def list_(
    *,
    specimen: Annotated[str | None, typer.Argument(help="Only this specimen's.")] = None,
    who: Annotated[str | None, typer.Option(help="Only this curator's.")] = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List reviews in the ledger, the newest verdict first.

    Examples:

        xray review list --since 7d
        xray review list 183808 --json
    """
    with ledger(load(Settings)) as connection:
        found = reviews(connection, biological_sample_id=specimen, who=who, since=since, limit=limit)
    if as_json:
        for one in found:
            print_json(_document(one))
        return
    columns = ("reviewed (UTC)", "specimen", "who", "verdict", "note", "review")
    rows = (
        (
            moment(one.review.reviewed_at),
            one.review.biological_sample_id,
            one.review.who,
            describe_review(one.review),
            one.review.note,
            one.review_id[:12],
        )
        for one in found
    )
    console().print(table(f"{len(found)} reviews", columns, rows))


def _give_many(settings: Settings, lines: Sequence[ReviewLine | BadReviewLine], file: Path, *, as_json: bool) -> None:
    good, bad = prepared(settings, lines)
    columns = TextColumn("sending"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=errors(), transient=True) as progress:
        task = progress.add_task("", total=len(good))
        publish(settings, [one.review for one in good], lambda done: progress.update(task, completed=done))
    for line in bad:
        errors().print(f"{file}:{line.number}: {line.error}", markup=False, soft_wrap=True)
    if as_json:
        for one in good:
            print_json(_given(one))
    errors().print(f"{len(good)} reviews sent, {len(bad)} lines refused", markup=False)
    if bad:
        raise typer.Exit(1)


def _show_one(one: Reviewed, *, as_json: bool) -> None:
    if as_json:
        print_json(_given(one))
        return
    columns = ("label", "verdict", "the call says#", "probability#", "")
    console().print(table(f"{one.review.biological_sample_id}, by {one.review.who}", columns, _beside(one)))


def _beside(one: Reviewed) -> Iterator[tuple[object, ...]]:
    """Yield each verdict beside what the current call says of the label."""
    call = one.call
    bits = dict(zip(("Abnormal", *call.labels), (int(call.abnormal), *call.vector), strict=True))
    said = call.consensus
    probabilities = dict(zip(("Abnormal", *call.labels), (said.level1, *said.level2, *said.level3), strict=True))
    for label in LABEL_ORDER:
        verdict = one.review.verdicts.get(label)
        if verdict is not None:
            differs = verdict != "unknown" and (verdict == "abnormal") != bool(bits[label])
            yield label, verdict, bits[label], f"{probabilities[label]:.2f}", "corrected" if differs else ""


def _given(one: Reviewed) -> dict[str, Any]:
    return one.review.model_dump(mode="json") | {"review_id": one.review.review_id}


def _document(one: ReviewRecord) -> dict[str, Any]:
    return one.review.model_dump(mode="json") | {"review_id": one.review_id, "recorded_at": one.recorded_at}
