"""The journal of a run, one JSON line per round, and the table of recovery times that is made from it."""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

COLUMNS: Final = ("fault", "rounds", "median_seconds", "p95_seconds", "max_seconds")


class RoundResult(BaseModel):
    """One round. `recovery_seconds` is the time from the end of the fault to the last outcome; None if it failed."""

    model_config = ConfigDict(frozen=True)

    seed: int
    number: int
    kind: str
    detail: str
    seconds: float
    recovery_seconds: float | None
    problems: tuple[str, ...] = ()


class Journal:
    """The rounds of a folder, of any seed; a round may occur again after it failed."""

    def __init__(self, path: Path) -> None:
        """Use the file, which need not exist."""
        self._path = path

    def add(self, result: RoundResult) -> None:
        """Append a round."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"\n{result.model_dump_json()}")  # a line that was cut short stays a line of its own

    def results(self, seed: int) -> dict[int, RoundResult]:
        """Return the last result of each round of a seed; a line cut short by a crash is ignored."""
        if not self._path.exists():
            return {}
        found: dict[int, RoundResult] = {}
        for line in self._path.read_text(encoding="utf-8").splitlines():
            with suppress(ValidationError):
                one = RoundResult.model_validate_json(line)
                if one.seed == seed:
                    found[one.number] = one
        return found


def recovery_rows(results: Iterable[RoundResult]) -> list[tuple[str, int, float, float, float]]:
    """Return number, median, 95th percentile and maximum of the recovery times by kind, and of all together."""
    times: dict[str, list[float]] = {}
    for one in results:
        if one.recovery_seconds is not None:
            times.setdefault(one.kind, []).append(one.recovery_seconds)
    rows = [_row(kind, times[kind]) for kind in sorted(times)]
    return [*rows, _row("all", [second for each in times.values() for second in each])] if rows else []


def as_csv(rows: Sequence[Sequence[object]]) -> str:
    """Write the table as CSV."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return stream.getvalue()


def as_markdown(rows: Iterable[Sequence[object]]) -> str:
    """Write the table as a page in Markdown."""
    title = "# Recovery times\n\nSeconds from the end of a fault to the last outcome, measured by `xray chaos`.\n\n"
    head = "| fault | rounds | median | 95 % | maximum |\n| --- | --- | --- | --- | --- |\n"
    return title + head + "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def _row(kind: str, times: list[float]) -> tuple[str, int, float, float, float]:
    ordered = sorted(times)
    high = ordered[math.ceil(0.95 * len(ordered)) - 1]
    return kind, len(ordered), round(statistics.median(ordered), 1), round(high, 1), round(ordered[-1], 1)
