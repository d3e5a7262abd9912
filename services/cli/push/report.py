"""The output of `xray push`: a line for each file that needs attention, tables and a summary, or JSON lines."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.cli.output import console, errors, print_json, table
from services.ingest.dcc.content import KINDS
from services.ingest.dcc.receipts import SpecimenReceipt
from services.ingest.dcc.run import StoredSubmission
from services.ingest.push.image import ImageSource, PushImage, SkippedFile
from services.ingest.push.upload import PushResult

_OUTCOMES: Final = {
    "planned": "to push",
    "pushed": "pushed",
    "done_before": "pushed before",
    "skipped": "not images",
    "failed": "not pushed",
}
_COLUMNS: Final = ("specimen", "biological_sample_id", "centre", "DV", "LAT", "close-ups", "observations#", "remarks")
_TITLE: Final = "Images received, of those expected"
_TABLE_WIDTH: Final = 160


class PushReport:
    """Prints outcomes as they come, and counts them."""

    def __init__(self, *, as_json: bool) -> None:
        """Print JSON lines, or text."""
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

    def skipped(self, file: SkippedFile) -> None:
        """Name a file that is not pushed."""
        self._count("failed" if file.failed else "skipped", file.source, file.reason, file.message)

    def planned(self, image: PushImage) -> None:
        """Show the specimen and the parameter of an image that would be pushed."""
        self._counts["planned"] += 1
        fields = {"specimen": image.biological_sample_id, "parameter": image.parameter_stable_id}
        if self._as_json:
            print_json({"file": str(image.source), "outcome": "planned"} | fields)
        else:
            console().print(escape(f"{image.source}: {fields['specimen']}, {fields['parameter']}"), soft_wrap=True)

    def stored(self, submission: StoredSubmission) -> None:
        """Report that a submission's observations are in object storage."""
        if self._as_json:
            outcome = "kept" if submission.new else "done_before"
            print_json({"file": submission.path, "outcome": outcome, "key": submission.key})
        else:
            stored = "stored as" if submission.new else "already stored as"
            self.remark(f"{submission.path}: observations {stored} {submission.key}")

    def manifest_written(self, manifest: Path, images: int) -> None:
        """Report a new manifest and the next steps."""
        if self._as_json:
            print_json({"file": manifest, "outcome": "manifest_written", "images": images})
        else:
            self.remark(f"{manifest}: {images} images; fill in the empty cells, then push with --manifest {manifest}")

    def remark(self, message: str) -> None:
        """Print a message on stderr that is not an outcome."""
        errors().print(escape(message), soft_wrap=True)

    def follow(self, results: Iterable[PushResult], total: int) -> None:
        """Report each result, and show progress until the last."""
        with self._progress:
            for result in self._progress.track(results, total=total):
                self._result(result)

    def receipts(self, receipts: Sequence[SpecimenReceipt]) -> None:
        """Print a table of received and expected images, or one JSON document per specimen."""
        if self._as_json:
            for receipt in receipts:
                print_json({"outcome": "account"} | asdict(receipt))
        elif receipts:
            out = console()
            if not out.is_terminal:  # a pipe or a log has no width
                out.width = max(out.width, _TABLE_WIDTH)
            out.print(table(_TITLE, _COLUMNS, map(_row, receipts)))

    def summary(self, images: int) -> None:
        """Print the counts of a push that had this number of images; nothing with JSON."""
        if not self._as_json:
            counted = [
                f"{self._counts[outcome]} {text}" for outcome, text in _OUTCOMES.items() if self._counts[outcome]
            ]
            nothing = "nothing pushed" if images else "no image files found"
            errors().print(", ".join(counted) or nothing)

    def _result(self, result: PushResult) -> None:
        more = {"event_id": result.event_id, "image_uri": result.image_uri} if result.outcome == "pushed" else {}
        self._count(result.outcome, result.image.source, result.reason, result.message, **more)

    def _count(self, outcome: str, source: ImageSource, reason: str | None, message: str | None, **more: Any) -> None:
        self._counts[outcome] += 1
        if self._as_json:
            print_json({"file": str(source), "outcome": outcome, "reason": reason, "message": message} | more)
        elif reason is not None:
            colour = "red" if outcome == "failed" else "dim"
            line = f"[{colour}]{outcome}[/] {escape(str(source))}: {escape(message or '')} [dim]({reason})[/]"
            self._progress.console.print(line, soft_wrap=True)


def _row(receipt: SpecimenReceipt) -> tuple[object, ...]:
    cells = [
        f"{receipt.received[kind]} of {receipt.expected[kind]}" if receipt.expected[kind] else "" for kind in KINDS
    ]
    remarks = "; ".join(receipt.remarks)
    return receipt.specimen, receipt.biological_sample_id, receipt.centre, *cells, receipt.observations, remarks
