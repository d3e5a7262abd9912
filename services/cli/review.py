"""`xray review` and `xray review list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.cli.groups import DefaultCommandGroup
from services.cli.options import SinceOption, settings_for, user
from services.cli.output import JsonOption, console, errors, moment, print_json, short, table

if TYPE_CHECKING:
    from services.common.settings import Settings
    from services.ledger.database import Connection
    from services.ledger.queries import ReviewRecord
    from services.operations.reviews import Reviewed

_DEFAULT: Final = "give"
Labels = Annotated[str, typer.Option(metavar="LABELS", help="Labels, separated by commas.")]


class ReviewGroup(DefaultCommandGroup):
    """`xray review ...` is `xray review give ...`."""

    default_command = _DEFAULT


app = typer.Typer(cls=ReviewGroup, add_completion=False)


@app.command(_DEFAULT)
def give(
    *,
    specimen: Annotated[
        str | None,
        typer.Argument(metavar="SPECIMEN", help="An animal that has a call; takes the same ids as `xray trace`."),
    ] = None,
    abnormal: Labels = "",
    normal: Labels = "",
    unknown: Annotated[
        str, typer.Option(metavar="LABELS", help="Labels that nobody can judge; withdraws verdicts.")
    ] = "",
    who: Annotated[str | None, typer.Option(help="Name of the curator.  [default: your user name]")] = None,
    note: Annotated[str, typer.Option(help="A remark in your own words.")] = "",
    file: Annotated[Path | None, typer.Option(help="CSV file of many reviews instead of one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Record verdicts on the labels of a specimen, and show them next to its call.

    Labels are Abnormal and the thirteen of a call, in upper or lower case; name only those that you judged. The newest
    verdict on a label is authoritative, whoever gave it. Nothing is overwritten: `xray trace` shows all verdicts. A
    verdict does not change a call; it is used in the next training (`xray train collect`). Within one review the label
    hierarchy must hold: Fusion cannot be abnormal while Spine and Ribcage are both normal.

    --file reads a CSV file with the column biological_sample_id and, as needed, abnormal, normal, unknown (labels
    separated by blanks), who, note and reviewed_at. Bad lines are listed and the others are sent; the exit code is
    then 1. Sending a file twice adds nothing. `xray review list` shows past reviews.

    Examples:

        xray review 183808 --abnormal Spine,Fusion --normal Ribs
        xray review 183808 --unknown Fusion --note "L5 and L6 are one block"
        xray review --file reviews.csv --who "A. Curator"
        xray review list 183808
    """
    if (specimen is None) == (file is None):
        raise typer.BadParameter("give a specimen, or a file of many with --file", param_hint="SPECIMEN")
    verdicts = (abnormal, normal, unknown)
    if file is None:
        _give_one(specimen or "", verdicts, who or user(), note, as_json=as_json)
        return
    if any((*verdicts, note)):
        message = "the file contains the verdicts and notes; omit --abnormal, --normal, --unknown and --note"
        raise typer.BadParameter(message, param_hint="--file")
    _give_many(file, who or user(), as_json=as_json)


@app.command("list")
def list_(
    *,
    specimen: Annotated[str | None, typer.Argument(metavar="SPECIMEN", help="Only reviews of this specimen.")] = None,
    who: Annotated[str | None, typer.Option(help="Only reviews by this curator.")] = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Most reviews to list.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List reviews in the ledger, the newest verdict first.

    Examples:

        xray review list --since 7d
        xray review list 183808 --json
    """
    from services.ledger.database import ledger
    from services.ledger.queries import reviews, specimen_named

    with ledger(settings_for("postgres")) as connection:
        named = None if specimen is None else specimen_named(connection, specimen)
        found = reviews(connection, biological_sample_id=named, who=who, since=since, limit=limit)
    if as_json:
        for one in found:
            print_json(
                one.review.model_dump(mode="json") | {"review_id": one.review_id, "recorded_at": one.recorded_at}
            )
        return
    columns = ("reviewed (UTC)", "specimen", "who", "verdict~", "note~", "review")
    console().print(table(f"{len(found)} reviews", columns, map(_row, found)))


def _row(one: ReviewRecord) -> tuple[object, ...]:
    from services.common.events.summary import describe_review

    review = one.review
    verdict = describe_review(review)
    return (
        moment(review.reviewed_at),
        review.biological_sample_id,
        review.who,
        verdict,
        review.note,
        short(one.review_id),
    )


def _give_one(specimen: str, verdicts: Sequence[str], who: str, note: str, *, as_json: bool) -> None:
    from services.common.events.base import now
    from services.ledger.database import ledger
    from services.operations.reviews import VERDICTS, ReviewLine, prepare, publish

    settings = settings_for("kafka", "postgres")
    with ledger(settings) as connection:
        specimen = _reviewed(connection, specimen)
    line = ReviewLine(0, specimen, dict(zip(VERDICTS, verdicts, strict=True)), who, note, now())
    good, bad = prepare(settings, [line])
    if bad:
        raise bad[0].error
    (one,) = good
    publish(settings, [one.review], lambda _: None)
    if as_json:
        print_json(_payload(one))
        return
    columns = ("label", "verdict", "call#", "probability#", "remark")
    console().print(table(f"{one.review.biological_sample_id}, by {one.review.who}", columns, _compared(one)))


def _reviewed(connection: Connection, text: str) -> str:
    """Return the specimen to review; the beginning of an id could be the whole id of another animal.

    Raises Rejected `id_ambiguous` or `id_incomplete`.
    """
    from services.common.errors import Rejected
    from services.ledger.queries import find_specimen

    found = find_specimen(connection, text)
    if found is None or found.biological_sample_id is None:
        return text
    if found.kind == "beginning":
        message = f"{text!r} is only the beginning of an id; to review {found.biological_sample_id}, give its whole id"
        raise Rejected("id_incomplete", message)
    return found.biological_sample_id


def _give_many(file: Path, who: str, *, as_json: bool) -> None:
    from services.operations.reviews import prepare, read_lines

    lines = read_lines(file, who)
    settings = settings_for("kafka", "postgres")
    good, bad = prepare(settings, lines)
    _publish(settings, good)
    for line in bad:
        errors().print(f"{file}:{line.number}: {line.error}", markup=False, soft_wrap=True)
    if as_json:
        for one in good:
            print_json(_payload(one))
    errors().print(f"{len(good)} reviews sent, {len(bad)} lines rejected", markup=False)
    if bad:
        raise typer.Exit(1)


def _publish(settings: Settings, reviews: Sequence[Reviewed]) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from services.operations.reviews import publish

    columns = TextColumn("sending"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=errors(), transient=True) as progress:
        task = progress.add_task("", total=len(reviews))
        publish(settings, [one.review for one in reviews], lambda done: progress.update(task, completed=done))


def _compared(one: Reviewed) -> Iterator[tuple[object, ...]]:
    """Yield each verdict next to the current call of the label."""
    from services.common.labels import LABEL_ORDER

    call, consensus = one.call, one.call.consensus
    names = ("Abnormal", *call.labels)
    bits = dict(zip(names, (int(call.abnormal), *call.vector), strict=True))
    probabilities = dict(zip(names, (consensus.level1, *consensus.level2, *consensus.level3), strict=True))
    for label in LABEL_ORDER:
        verdict = one.review.verdicts.get(label)
        if verdict is not None:
            differs = verdict != "unknown" and (verdict == "abnormal") != bool(bits[label])
            yield label, verdict, bits[label], f"{probabilities[label]:.2f}", "corrected" if differs else ""


def _payload(one: Reviewed) -> dict[str, Any]:
    return one.review.model_dump(mode="json") | {"review_id": one.review.review_id}
