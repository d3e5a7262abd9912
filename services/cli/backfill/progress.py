"""What `xray backfill` tells: a bar with the time left, lines for what was left out, a summary."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Any, Final, Self

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

from services.cli.output import errors, print_json, seconds
from services.ingest.push.image import SkippedFile
from services.ingest.push.upload import PushResult

_MOST_LINES: Final = 20
"""Lines of one reason; all are counted, and --json prints all."""
_LINE_SECONDS: Final = 30.0
_OUTCOMES: Final = {"pushed": "pushed", "done_before": "already there", "left_out": "left out", "failed": "not pushed"}


class BackfillProgress:
    """Collects outcomes while they come; on a terminal a bar shows progress, elsewhere a line every 30 seconds."""

    def __init__(self, *, as_json: bool) -> None:
        """Write JSON lines, or words."""
        self._as_json = as_json
        self._outcomes: Counter[str] = Counter()
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._observations = 0
        self._began = self._told = time.monotonic()
        self._done_here = 0
        self._core: TaskID | None = None
        columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeLeftColumn()
        self._progress = Progress(
            TextColumn("{task.description}"), *columns, console=errors(), disable=not errors().is_terminal
        )

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End with the counts, whatever the end was."""
        self._progress.stop()
        self._summary()
        if kind is not None:
            self.remark("not finished; the same command without --restart goes on from here")

    @property
    def failed(self) -> bool:
        """Whether a picture that should have been pushed was not."""
        return self._outcomes["failed"] > 0

    def begin(self, core: str, seen: int) -> None:
        """Begin or go on with a core."""
        self._core = self._progress.add_task(core, total=None, completed=seen)
        self._began = self._told = time.monotonic()
        self._done_here = 0
        if seen:
            self.remark(f"{core}: going on after {seen} documents")

    def page(self, core: str, new: int, seen: int, found: int) -> None:
        """A page is done."""
        self._done_here += new
        if self._core is not None:
            self._progress.update(self._core, completed=seen, total=found)
        if self._progress.disable and time.monotonic() - self._told > _LINE_SECONDS:
            self._told = time.monotonic()
            rate = self._done_here / (self._told - self._began)
            left = f", {rate:.1f} a second, {seconds((found - seen) / rate)} left" if rate else ""
            self.remark(f"{core}: {seen} of {found}{left}")

    def kept(self, number: int, key: str, *, new: bool) -> None:
        """A page of observations lies in object storage."""
        self._observations += number
        if self._as_json:
            print_json({"outcome": "kept" if new else "done_before", "key": key, "observations": number})

    def left_out(self, one: SkippedFile) -> None:
        """Name a picture that is not pushed."""
        self._name("failed" if one.failed else "left_out", str(one.source), one.reason, one.words)

    def result(self, result: PushResult) -> None:
        """Take the outcome of one picture."""
        if result.reason is not None:
            self._name(result.outcome, str(result.image.source), result.reason, result.words or "")
            return
        self._outcomes[result.outcome] += 1
        if self._as_json:
            print_json(
                {"file": str(result.image.source), "outcome": result.outcome}
                | ({"event_id": result.event_id, "image_uri": result.image_uri} if result.event_id else {})
            )

    def remark(self, words: str) -> None:
        """Say something that is neither outcome nor failure."""
        if not self._as_json:
            self._progress.console.print(escape(words), soft_wrap=True)

    def _name(self, outcome: str, source: str, reason: str, words: str) -> None:
        self._outcomes[outcome] += 1
        self._reasons[outcome, reason] += 1
        shown: dict[str, Any] = {"file": source, "outcome": outcome, "reason": reason, "words": words}
        if self._as_json:
            print_json(shown)
        elif self._reasons[outcome, reason] <= _MOST_LINES:
            colour = "red" if outcome == "failed" else "dim"
            line = f"[{colour}]{_OUTCOMES[outcome]}[/] {escape(source)}: {escape(words)} [dim]({reason})[/]"
            self._progress.console.print(line, soft_wrap=True)

    def _summary(self) -> None:
        counted = [f"{self._outcomes[name]} {words}" for name, words in _OUTCOMES.items() if self._outcomes[name]]
        kept = [f"{self._observations} observations kept"] if self._observations else []
        self.remark("; ".join([", ".join(counted) or "no pictures", *kept]))
        for (outcome, reason), number in sorted(self._reasons.items()):
            self.remark(f"  {_OUTCOMES[outcome]}, {reason}: {number}")
