"""What `xray push` tells: one line for a file that needs attention, a summary, or JSON lines for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.cli.output import console, errors, print_json
from services.ingest.push.image import ImageSource, PushImage, SkippedFile
from services.ingest.push.upload import PushResult

_OUTCOMES = {"pushed": "pushed", "done_before": "already there", "skipped": "no images", "failed": "not pushed"}


class PushReport:
    """Collects outcomes while they come."""

    def __init__(self, *, as_json: bool) -> None:
        """Write JSON lines, or words."""
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._progress = Progress(
            TextColumn("pushing"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("images"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=errors(),
        )

    @property
    def failed(self) -> bool:
        """Whether any file that should have been pushed was not."""
        return self._counts["failed"] > 0

    def left_out(self, one: SkippedFile) -> None:
        """Name a file that the plan leaves out."""
        self._count("failed" if one.failed else "skipped", one.source, one.reason, one.words)

    def planned(self, image: PushImage) -> None:
        """Show what a file would be pushed as."""
        fields = {"specimen": image.biological_sample_id, "parameter": image.parameter_stable_id}
        if self._as_json:
            print_json({"file": str(image.source), "outcome": "planned"} | fields)
        else:
            console().print(escape(f"{image.source}: {fields['specimen']}, {fields['parameter']}"), soft_wrap=True)

    def kept(self, path: Path, key: str, *, new: bool) -> None:
        """Say that a submission's observations lie in object storage."""
        if self._as_json:
            print_json({"file": path, "outcome": "kept" if new else "done_before", "key": key})
        else:
            self.remark(f"{path}: observations {'kept as' if new else 'already there,'} {key}")

    def remark(self, words: str) -> None:
        """Say something that is no failure; nothing with JSON."""
        if not self._as_json:
            errors().print(escape(words), soft_wrap=True)

    def follow(self, results: Iterable[PushResult], total: int) -> None:
        """Show progress until the last result."""
        with self._progress:
            for result in self._progress.track(results, total=total):
                self._result(result)

    def summary(self) -> None:
        """End with the counts."""
        if not self._as_json:
            counted = [
                f"{self._counts[outcome]} {words}" for outcome, words in _OUTCOMES.items() if self._counts[outcome]
            ]
            errors().print(", ".join(counted) or "no image files found")

    def _result(self, result: PushResult) -> None:
        more = {"event_id": result.event_id, "image_uri": result.image_uri} if result.outcome == "pushed" else {}
        self._count(result.outcome, result.image.source, result.reason, result.words, **more)

    def _count(self, outcome: str, source: ImageSource, reason: str | None, words: str | None, **more: Any) -> None:
        self._counts[outcome] += 1
        if self._as_json:
            print_json({"file": str(source), "outcome": outcome, "reason": reason, "words": words} | more)
        elif reason is not None:
            colour = "red" if outcome == "failed" else "dim"
            line = f"[{colour}]{outcome}[/] {escape(str(source))}: {escape(words or '')} [dim]({reason})[/]"
            self._progress.console.print(line, soft_wrap=True)
