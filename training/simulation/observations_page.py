"""Writes the table of observations in docs/phantom.md: `python -m training.simulation.observations_page`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from training.labels import Observation, table
from training.simulation.observations import SHOWN, drawn_by

PAGE: Final = Path(__file__).parents[2] / "docs" / "phantom.md"
BEGIN: Final = "<!-- observations: written by python -m training.simulation.observations_page -->"
END: Final = "<!-- end of observations -->"


def with_table(page: str) -> str:
    """Return the page with the table between its two marks written anew."""
    head, rest = page.split(BEGIN)
    tail = rest.split(END)[1]
    drawn = sum(row.parameter_stable_id in drawn_by() for row in table())
    rows = [
        f"{drawn} of {len(table())} rows are drawn.",
        "",
        "| observation | name | labels | drawn by | shows in | remark |",
        "|---|---|---|---|---|---|",
        *map(_row, table()),
    ]
    return "\n".join([head + BEGIN, *rows, END + tail])


def _row(row: Observation) -> str:
    shown = SHOWN[row.parameter_stable_id]
    kinds = ", ".join(kind.replace("_", " ") for kind in drawn_by().get(row.parameter_stable_id, ())) or "not drawn"
    labels = f"{row.level2}: {row.level3}" if row.level2 else "by its term"
    views = {2: "both", 1: "".join(shown.views), 0: "-"}[len(shown.views)]
    number = row.parameter_stable_id.split("_")[2]
    return f"| {number} | {row.name} | {labels} | {kinds} | {views} | {shown.remark} |"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
