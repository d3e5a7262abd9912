"""The output of `xray push`: a line for each file that needs attention, tables and a summary, or JSON lines."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.cli.calls.lineage import explained
from services.cli.output import console, errors, print_json, table
from services.ingest.dcc.content import KINDS
from services.ingest.dcc.receipts import SpecimenReceipt
from services.ingest.dcc.run import StoredSubmission
from services.ingest.push.image import ImageSource, PushImage, SkippedFile
from services.ingest.push.outcomes import ImageOutcome, State
from services.ingest.push.upload import PushResult

_OUTCOMES: Final = {
    "planned": "to push",
    "pushed": "pushed",
    "done_before": "pushed before",
    "skipped": "not images",
    "failed": "not pushed",
}
_STATES: Final[dict[State, str]] = {
    "called": "called",
    "rejected": "rejected",
    "waiting_for_view": "waiting for the other view",
    "close_up": "close-ups",
    "view_stored": "view stored, not called yet",
    "at_intake": "not handled yet",
    "parked": "parked until their source answers",
}
_COLOURS: Final[dict[State, str]] = {
    "called": "green",
    "rejected": "red",
    "waiting_for_view": "yellow",
    "parked": "yellow",
}
_NOT_FINAL: Final[tuple[State, ...]] = ("view_stored", "at_intake", "parked")
EXIT_FAILED: Final = 1
EXIT_TIME_OUT: Final = 4
_COLUMNS: Final = ("specimen", "biological_sample_id", "centre", "DV", "LAT", "close-ups", "observations#", "remarks")
_TITLE: Final = "Images received, of those expected"
_TABLE_WIDTH: Final = 160


class PushReport:
    """Prints outcomes as they come, and counts them."""

    def __init__(self, *, as_json: bool) -> None:
        """Print JSON lines, or text."""
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._states: Counter[State] = Counter()
        self.announced: list[PushResult] = []
        """The images that were announced by this push, not by an earlier one."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("images"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=errors(),
        )

    @property
    def exit_code(self) -> int:
        """1 if a file that should have been pushed was not or was rejected, 4 if an outcome is not final, else 0."""
        if self._counts["failed"] or self._states["rejected"]:
            return EXIT_FAILED
        return EXIT_TIME_OUT if any(self._states[state] for state in _NOT_FINAL) else 0

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
            for result in self._progress.track(results, total=total, description="pushing"):
                self._result(result)

    def outcomes(self, outcomes: Iterable[ImageOutcome]) -> None:
        """Print what became of each announced image, with progress until the last, and their counts."""
        if self._counts["done_before"]:
            self.remark("images that were pushed before are not followed; see `xray specimens SPECIMEN`")
        try:
            with self._progress:
                for one in self._progress.track(outcomes, total=len(self.announced), description="waiting"):
                    self._outcome(one)
        finally:
            if self.announced and not self._as_json:
                counted = [f"{self._states[state]} {text}" for state, text in _STATES.items() if self._states[state]]
                self.remark(", ".join(counted) or "no outcome known yet")

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

    def _outcome(self, one: ImageOutcome) -> None:
        self._states[one.state] += 1
        file, rejection = str(one.result.image.source), one.rejection
        message = one.message if rejection is None else explained(rejection)
        reason = None if rejection is None else rejection.reason
        if self._as_json:
            event = {"event_id": one.result.event_id, "specimen": one.result.image.biological_sample_id}
            print_json({"file": file, "outcome": one.state, "reason": reason, "message": message} | event)
            return
        colour, state = _COLOURS.get(one.state, "dim"), one.state.replace("_", " ")
        code = f" [dim]({reason})[/]" if reason else ""
        console().print(f"[{colour}]{state}[/] {escape(file)}: {escape(message)}{code}", soft_wrap=True)

    def _result(self, result: PushResult) -> None:
        if result.outcome == "pushed":
            self.announced.append(result)
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
