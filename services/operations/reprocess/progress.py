"""What `xray reprocess` tells: a bar while it works, a table of how the specimens of every centre stood."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Any, Final, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from services.cli.output import errors, table
from services.operations.reprocess.source import STANDINGS, SpecimenStatus

_LINE_SECONDS: Final = 30.0


class ReprocessProgress:
    """Counts specimens while they are looked at; on a terminal a bar, elsewhere a line every 30 seconds."""

    def __init__(self, specimens: int) -> None:
        """Expect so many specimens."""
        self._counts: Counter[tuple[str, str]] = Counter()
        self._records = 0
        self._specimens, self._settled, self._looked_at = specimens, 0, 0
        self._told = time.monotonic()
        columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()
        self._progress = Progress(
            TextColumn("{task.description}"), *columns, console=errors(), disable=not errors().is_terminal
        )
        self._task = self._progress.add_task("specimens looked at", total=specimens)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._progress.stop()
        if kind is not None:
            self._progress.console.print(f"not finished ({self._progress_words()}); the same command goes on from here")

    def looked_at(self, found: SpecimenStatus) -> None:
        """Count a specimen as it stood."""
        self._counts[found.centre, found.standing] += 1
        self._looked_at += 1
        self._progress.update(self._task, advance=1)
        self._line(self._progress_words())

    def published(self, found: SpecimenStatus) -> None:
        """Count the records of a specimen that the broker has, or in a dry run would get."""
        self._records += len(found.publications)

    def held(self, waiting: int) -> None:
        """Say that live traffic comes first."""
        self._progress.update(self._task, description=f"waiting: {waiting} records are before these")
        self._line(f"waiting: {waiting} records are before these; {self._progress_words()}")

    def settled(self) -> None:
        """Count a specimen whose call or views are in the ledger."""
        self._settled += 1
        self._progress.update(self._task, description=f"specimens looked at, {self._settled} done anew")

    def document(self, *, dry_run: bool) -> dict[str, Any]:
        """Return the counts for JSON."""
        total = {standing: sum(self._count(centre, standing) for centre in self._centres()) for standing in STANDINGS}
        centres = [
            {"centre": centre} | {standing: self._count(centre, standing) for standing in STANDINGS}
            for centre in self._centres()
        ]
        return {"dry_run": dry_run, "records": self._records, "total": total, "centres": centres}

    def table(self) -> Table:
        """Return the counts for people."""
        columns = ("centre", *(f"{standing.replace('_', ' ')}#" for standing in STANDINGS))
        rows = [(centre, *(self._count(centre, standing) for standing in STANDINGS)) for centre in self._centres()]
        total = ("total", *(sum(self._counts[centre, one] for centre in self._centres()) for one in STANDINGS))
        return table("Specimens as they stood", columns, [*rows, total])

    @property
    def records(self) -> int:
        """Records that were, or in a dry run would be, published."""
        return self._records

    def _centres(self) -> list[str]:
        return sorted({centre for centre, _ in self._counts})

    def _count(self, centre: str, standing: str) -> int:
        return self._counts[centre, standing]

    def _progress_words(self) -> str:
        return f"{self._looked_at} of {self._specimens} specimens looked at, {self._records} records published"

    def _line(self, words: str) -> None:
        if self._progress.disable and time.monotonic() - self._told > _LINE_SECONDS:
            self._told = time.monotonic()
            self._progress.console.print(words)
