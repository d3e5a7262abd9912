"""The table of strangers: one row per measure and system, as CSV and as a marked table of the documentation."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from services.common.atomic import replace
from training.markdown import number, table
from training.metrics.ranking import Estimate

BEGIN: Final = "<!-- strangers: written by services.cli.train.strangers -->"
END: Final = "<!-- end of strangers -->"
HEADER: Final = ("row", "system", "measure", "value", "low", "high", "specimens", "must", "goal")


class Row(NamedTuple):
    """One figure: what was measured, of which system, on how many specimens, and what it must and should be.

    `row` names the group of figures that one command makes.
    """

    row: str
    system: str
    measure: str
    estimate: Estimate
    specimens: int
    must: str = ""
    goal: str = ""


def as_csv(rows: Sequence[Row]) -> str:
    """The rows with the columns of `HEADER`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for row in rows:
        figures = (_figure(value) for value in (row.estimate.value, row.estimate.low, row.estimate.high))
        writer.writerow((row.row, row.system, row.measure, *figures, row.specimens, row.must, row.goal))
    return text.getvalue()


def read_csv(path: Path) -> list[Row]:
    """Read the rows of a file; none if it does not exist."""
    if not path.exists():
        return []
    found = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return [
        Row(
            row["row"],
            row["system"],
            row["measure"],
            Estimate(*(float(row[name]) for name in ("value", "low", "high"))),
            int(row["specimens"]),
            row["must"],
            row["goal"],
        )
        for row in found
    ]


def merged(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Replace the old rows of every group that was measured again; groups stay in the order in which they came."""
    names = list(dict.fromkeys(row.row for row in (*old, *new)))
    again = {row.row for row in new}
    return [row for name in names for row in (new if name in again else old) if row.row == name]


def as_markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    header = ("cohort", "measure", "system", "value (95 % interval)", "n", "must", "goal")
    cells = (
        (row.row, row.measure, row.system, _interval(row.estimate), row.specimens, row.must, row.goal) for row in rows
    )
    return table(header, cells) + "\n"


def _interval(estimate: Estimate) -> str:
    return f"{number(estimate.value)} ({number(estimate.low)} to {number(estimate.high)})"


def update_page(path: Path, rows: Sequence[Row]) -> None:
    """Replace the text between the two markers of a page; raises ValueError if they are missing."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        msg = f"{path} has no markers for the table: add {BEGIN} and {END}"
        raise ValueError(msg)
    replace(path, f"{before}{BEGIN}\n\n{as_markdown(rows)}\n{END}{after}".encode())


def _figure(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:.4f}"
