"""Small pieces of Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from training.metrics.ranking import Estimate


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, first column to the left, the others to the right, with an empty line after it."""
    lines = [_row(header), "|---|" + "---:|" * (len(header) - 1)]
    return [*lines, *(_row(row) for row in rows), ""]


def number(value: float | None, digits: int = 3) -> str:
    """A number, or `-` if there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def estimate(value: Estimate) -> str:
    """A number with its interval."""
    if math.isnan(value.value):
        return "-"
    return f"{number(value.value)} ({number(value.low)} to {number(value.high)})"


def share(value: float) -> str:
    """A share as per cent."""
    return f"{100 * value:.1f} %"


def picture(name: str, words: str) -> list[str]:
    """Lines that show a picture of the same folder."""
    return [f"![{words}]({name})", ""]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
