"""A CSV file of reviews, one a line; a bad line is named and costs no other."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.common.columns import check_columns
from services.common.errors import Fatal, Rejected
from services.common.events import Verdict
from services.operations.reviews.compose import VERDICTS

_REQUIRED: Final = ("biological_sample_id",)
_OPTIONAL: Final = (*VERDICTS, "who", "note", "reviewed_at")


@dataclass(frozen=True)
class Line:
    """One line of the file; `said` holds the labels of each verdict as they were written."""

    number: int
    specimen: str
    said: Mapping[Verdict, str]
    who: str
    note: str
    reviewed_at: datetime


@dataclass(frozen=True)
class BadLine:
    """A line that cannot be read, and why."""

    number: int
    error: Rejected


def read_lines(path: Path, who: str) -> list[Line | BadLine]:
    """Read a file of reviews (UTF-8 CSV with a header line).

    Where a line names no curator `who` is meant; where it gives no time, that of the file's last change, so that the
    same file sent again is the same reviews. Raises Fatal for a file that cannot be read, a missing or unknown column.
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


def _lines(reader: csv.DictReader[str], who: str, changed_at: datetime) -> Iterator[Line | BadLine]:
    for fields in reader:
        number = reader.line_num
        try:
            yield _line(number, fields, who, changed_at)
        except Rejected as error:
            yield BadLine(number, error)


def _line(number: int, fields: Mapping[str, str | None], who: str, changed_at: datetime) -> Line:
    if None in fields or None in fields.values():
        raise Rejected("wrong_number_of_cells", "other values than columns; put labels into quotes, or blanks between")
    values = {name: (fields.get(name) or "").strip() for name in (*_REQUIRED, *_OPTIONAL)}
    return Line(
        number=number,
        # As it stands: ids are compared exactly, a blank is part of one.
        specimen=fields["biological_sample_id"] or "",
        said={verdict: values[verdict] for verdict in VERDICTS},
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
        words = f"reviewed_at {text!r} is no ISO 8601 time, like 2026-05-31T12:00:00+00:00"
        raise Rejected("time_invalid", words) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
