"""The output of `xray backfill`: a progress bar, a line for each skipped image, a summary; the counts of a dry run."""

import time
from collections import Counter
from dataclasses import asdict
from types import TracebackType
from typing import Any, Final, Self

from rich.markup import escape
from rich.progress import TaskID

from services.cli.output import console, print_json, seconds, table
from services.cli.progress import LongProgress
from services.ingest.backfill.query import IMAGES, OBSERVATIONS, SolrQuery
from services.ingest.backfill.run import DocumentCount
from services.ingest.push.image import SkippedFile
from services.ingest.push.upload import PushResult

_MAX_LINES: Final = 20
"""Lines printed per reason; all images are counted, and --json prints all."""
_OUTCOMES: Final = {"pushed": "pushed", "done_before": "pushed before", "left_out": "skipped", "failed": "not pushed"}


class BackfillReport:
    """Prints and counts outcomes as they come; progress is a bar on a terminal, elsewhere a line every 30 seconds."""

    def __init__(self, *, as_json: bool) -> None:
        """Print JSON lines, or text."""
        self._as_json = as_json
        self._outcomes: Counter[str] = Counter()
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._observations = 0
        self._core_began = time.monotonic()
        self._done_in_core = 0
        self._core: TaskID | None = None
        self._progress = LongProgress()

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print the counts, also after an error."""
        self._progress.stop()
        self._summary()
        if kind is not None:
            self.remark("not finished; run the same command without --restart to continue from here")

    @property
    def failed(self) -> bool:
        """Whether an image that should have been pushed was not."""
        return self._outcomes["failed"] > 0

    def core_started(self, core: str, seen: int) -> None:
        """Start a core, or continue it after `seen` documents."""
        self._core = self._progress.add_task(core, total=None, completed=seen)
        self._core_began = time.monotonic()
        self._done_in_core = 0
        self._progress.restart()
        if seen:
            self.remark(f"{core}: continuing after {seen} documents")

    def page_done(self, core: str, new: int, seen: int, found: int) -> None:
        """Show progress after a page."""
        self._done_in_core += new
        if self._core is not None:
            self._progress.update(self._core, completed=seen, total=found)
        rate = self._done_in_core / max(time.monotonic() - self._core_began, 1e-3)
        left = f", {rate:.1f} per second, {seconds((found - seen) / rate)} left" if rate else ""
        if not self._as_json:
            self._progress.line(f"{core}: {seen} of {found}{left}")

    def stored(self, number: int, key: str, *, new: bool) -> None:
        """Count the observations of a stored page."""
        self._observations += number
        if self._as_json:
            print_json({"outcome": "kept" if new else "done_before", "key": key, "observations": number})

    def skipped(self, file: SkippedFile) -> None:
        """Name an image that is not pushed."""
        self._name("failed" if file.failed else "left_out", str(file.source), file.reason, file.message)

    def result(self, result: PushResult) -> None:
        """Count the outcome for one image."""
        if result.reason is not None:
            self._name(result.outcome, str(result.image.source), result.reason, result.message or "")
            return
        self._outcomes[result.outcome] += 1
        if self._as_json:
            print_json(
                {"file": str(result.image.source), "outcome": result.outcome}
                | ({"event_id": result.event_id, "image_uri": result.image_uri} if result.event_id else {})
            )

    def remark(self, message: str) -> None:
        """Print a message that is not an outcome; nothing with JSON."""
        if not self._as_json:
            self._progress.console.print(escape(message), soft_wrap=True)

    def _name(self, outcome: str, source: str, reason: str, message: str) -> None:
        self._outcomes[outcome] += 1
        self._reasons[outcome, reason] += 1
        shown: dict[str, Any] = {"file": source, "outcome": outcome, "reason": reason, "message": message}
        if self._as_json:
            print_json(shown)
        elif self._reasons[outcome, reason] <= _MAX_LINES:
            colour = "red" if outcome == "failed" else "dim"
            line = f"[{colour}]{_OUTCOMES[outcome]}[/] {escape(source)}: {escape(message)} [dim]({reason})[/]"
            self._progress.console.print(line, soft_wrap=True)

    def _summary(self) -> None:
        counted = [f"{self._outcomes[name]} {text}" for name, text in _OUTCOMES.items() if self._outcomes[name]]
        stored = [f"{self._observations} observations stored"] if self._observations else []
        self.remark("; ".join([", ".join(counted) or "no images", *stored]))
        for (outcome, reason), number in sorted(self._reasons.items()):
            self.remark(f"  {_OUTCOMES[outcome]}, {reason}: {number}")


def print_count(count: DocumentCount, query: SolrQuery, rate: float, *, as_json: bool) -> None:
    """Print the counts, and the shortest time that the images take at this rate."""
    if as_json:
        print_json(asdict(count) | {"filters": {core: query.filters(core) for core in (IMAGES, OBSERVATIONS)}})
        return
    rows = [
        ("images", count.images),
        ("  without an image (omero_id -1)", count.without_picture),
        ("  without a biological_sample_id", count.without_biological_sample_id),
        ("observations", count.observations),
    ]
    console().print(table(f"At {query.url}", ("documents", "number#"), rows))
    images = max(count.images - count.without_picture, 0)
    console().print(f"At {rate:g} requests per second the images take at least {seconds(images / rate)}.")
