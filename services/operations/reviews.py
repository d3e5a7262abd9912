"""A curator's verdicts on specimens: read from arguments or a CSV file, checked, and published as reviews.

A bad line of a file is reported and does not affect the others.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic_core import to_json

from services.common.columns import check_columns
from services.common.errors import Fatal, Rejected
from services.common.events import PhenotypeCall, Review, Verdict, parse_event
from services.common.events.base import now
from services.common.kafka.clients import publisher
from services.common.labels import LABEL_ORDER
from services.common.settings import Settings
from services.common.topics import REVIEWS
from services.ledger.database import ledger
from services.ledger.queries import current_calls_of

VERDICTS: Final[tuple[Verdict, ...]] = ("abnormal", "normal", "unknown")
_SEPARATORS: Final = re.compile(r"[,;\s]+")
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


def labels_in(text: str) -> list[str]:
    """Read labels separated by commas, semicolons or blanks, in any case; raises Rejected(`label_unknown`)."""
    known = {label.casefold(): label for label in LABEL_ORDER}
    names = [name for name in _SEPARATORS.split(text) if name]
    for name in names:
        if name.casefold() not in known:
            raise Rejected("label_unknown", f"{name!r} is not a label; labels are {', '.join(LABEL_ORDER)}", label=name)
    return [known[name.casefold()] for name in names]


def compose(
    specimen: str,
    verdict_labels: Mapping[Verdict, str],
    *,
    who: str,
    note: str,
    reviewed_at: datetime,
    call_id: str | None,
) -> Review:
    """Return the review; `verdict_labels` has the labels of each verdict as they were written.

    Raises Rejected: `label_unknown`, `label_twice`, `no_verdict`, `review_from_the_future`, and everything that the
    event raises, for example for a child label that is abnormal while all its parents are normal.
    """
    verdicts: dict[str, Verdict] = {}
    for verdict, text in verdict_labels.items():
        for label in labels_in(text):
            if verdicts.setdefault(label, verdict) != verdict:
                raise Rejected(
                    "label_twice", f"{label} is given as {verdicts[label]} and as {verdict}; give one", label=label
                )
    if not verdicts:
        raise Rejected("no_verdict", f"give the labels that are {', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}")
    if reviewed_at > now() + _CLOCKS_DIFFER:
        # The newest verdict is authoritative: one from the future could not be corrected until then.
        raise Rejected("review_from_the_future", f"reviewed_at {reviewed_at.isoformat()} is in the future; correct it")
    draft = {
        "biological_sample_id": specimen,
        "call_id": call_id,
        "verdicts": verdicts,
        "who": who,
        "note": note,
        "reviewed_at": reviewed_at,
    }
    return parse_event(Review, to_json(draft))


_REQUIRED: Final = ("biological_sample_id",)
_OPTIONAL: Final = (*VERDICTS, "who", "note", "reviewed_at")


@dataclass(frozen=True)
class ReviewLine:
    """One line of the file; `verdict_labels` has the labels of each verdict as they were written."""

    number: int
    specimen: str
    verdict_labels: Mapping[Verdict, str]
    who: str
    note: str
    reviewed_at: datetime


@dataclass(frozen=True)
class BadReviewLine:
    """A line that cannot be read, and why."""

    number: int
    error: Rejected


def read_lines(path: Path, who: str) -> list[ReviewLine | BadReviewLine]:
    """Read a file of reviews (UTF-8 CSV with a header line).

    A line without a curator gets `who`. A line without a time gets that of the file's last change, so that the same
    file sent again gives the same reviews. Raises Fatal for a file that cannot be read, a missing or unknown column.
    """
    try:
        changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            check_columns(path, reader.fieldnames or (), _REQUIRED, _OPTIONAL)
            return list(_lines(reader, who, changed_at))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"cannot read the reviews in {path}: {error}"
        raise Fatal(msg) from error


def _lines(reader: csv.DictReader[str], who: str, changed_at: datetime) -> Iterator[ReviewLine | BadReviewLine]:
    for fields in reader:
        number = reader.line_num
        try:
            yield _line(number, fields, who, changed_at)
        except Rejected as error:
            yield BadReviewLine(number, error)


def _line(number: int, fields: Mapping[str, str | None], who: str, changed_at: datetime) -> ReviewLine:
    if None in fields or None in fields.values():
        raise Rejected(
            "wrong_number_of_cells",
            "the number of values differs from that of the columns; quote the labels, or separate them by blanks",
        )
    values = {name: (fields.get(name) or "").strip() for name in (*_REQUIRED, *_OPTIONAL)}
    return ReviewLine(
        number=number,
        # Unchanged: ids are compared exactly, and a blank is part of one.
        specimen=fields["biological_sample_id"] or "",
        verdict_labels={verdict: values[verdict] for verdict in VERDICTS},
        who=values["who"] or who,
        note=values["note"],
        reviewed_at=_moment(values["reviewed_at"]) or changed_at,
    )


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        message = f"reviewed_at {text!r} is not an ISO 8601 time such as 2026-05-31T12:00:00+00:00"
        raise Rejected("time_invalid", message) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_ACKNOWLEDGED_SECONDS: Final = 60


@dataclass(frozen=True)
class Reviewed:
    """A review with the current call of its specimen, and the line of the file that it comes from."""

    number: int
    review: Review
    call: PhenotypeCall


def prepare(
    settings: Settings, lines: Sequence[ReviewLine | BadReviewLine]
) -> tuple[list[Reviewed], list[BadReviewLine]]:
    """Return the reviews that can be published and the lines that cannot.

    A specimen must have a call in the ledger: otherwise its id is mistyped, or there is nothing to review yet. Raises
    Retriable when PostgreSQL is unreachable.
    """
    good = [line for line in lines if isinstance(line, ReviewLine)]
    with ledger(settings) as connection:
        calls = current_calls_of(connection, sorted({line.specimen.replace("\0", "") for line in good}))
    reviews: list[Reviewed] = []
    bad = [line for line in lines if isinstance(line, BadReviewLine)]
    for line in good:
        try:
            reviews.append(_reviewed(line, calls.get(line.specimen)))
        except Rejected as error:
            bad.append(BadReviewLine(line.number, error))
    return reviews, sorted(bad, key=lambda line: line.number)


def _reviewed(line: ReviewLine, call: PhenotypeCall | None) -> Reviewed:
    if call is None:
        message = f"the ledger has no call of specimen {line.specimen!r}; see `xray specimens {line.specimen}`"
        raise Rejected("no_call", message)
    review = compose(
        line.specimen,
        line.verdict_labels,
        who=line.who,
        note=line.note,
        reviewed_at=line.reviewed_at,
        call_id=call.call_id,
    )
    return Reviewed(line.number, review, call)


def publish(settings: Settings, reviews: Sequence[Review], done: Callable[[int], None]) -> None:
    """Publish and wait for the broker; `done` is called with the number of acknowledged reviews.

    Raises Retriable when the broker is unreachable, Fatal when the topic is missing. Sending again adds nothing.
    """
    with publisher(settings) as producer:
        futures = [producer.send(REVIEWS.name, key=one.key.encode(), value=one.encode()) for one in reviews]
        for number, future in enumerate(futures, start=1):
            future.get(timeout=_ACKNOWLEDGED_SECONDS)
            done(number)
