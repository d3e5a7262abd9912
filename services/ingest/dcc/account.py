"""Received against expected, a line for each specimen of the submissions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from services.cli.output import console, print_json, table
from services.common.events import ImageKind
from services.ingest.dcc.content import KINDS, DccSubmission, SubmittedAnimal
from services.ingest.push.image import PushImage
from services.ingest.push.upload import PushResult

_COLUMNS = ("specimen", "biological_sample_id", "centre", "DV", "LAT", "close-ups", "observations#", "remarks")
_TITLE = "Received of expected pictures"


class SubmissionAccount:
    """Notes what was received while it comes; a picture that an earlier run pushed has been received too."""

    def __init__(self, submissions: Iterable[DccSubmission]) -> None:
        """Start with nothing received."""
        self._submissions = list(submissions)
        self._received: set[tuple[str, str, str]] = set()

    def noting(self, results: Iterable[PushResult]) -> Iterator[PushResult]:
        """Pass results on."""
        for result in results:
            if result.outcome != "failed":
                self.note(result.image)
            yield result

    def note(self, image: PushImage) -> None:
        """Count one picture as received."""
        self._received.add(_identity(image))

    def show(self, *, as_json: bool) -> None:
        """Print a table, or one JSON document a specimen."""
        rows = [(submission, animal) for submission in self._submissions for animal in submission.animals.values()]
        if as_json:
            for submission, animal in rows:
                print_json(self._document(submission, animal))
        elif rows:
            out = console()
            if not out.is_terminal:  # a pipe or a log has no width of its own
                out.width = max(out.width, 160)
            out.print(table(_TITLE, _COLUMNS, [self._row(animal) for _, animal in rows]))

    def _counts(self, animal: SubmittedAnimal) -> Counter[ImageKind]:
        return Counter(
            one.kind
            for one in animal.named
            if isinstance(one.planned, PushImage) and _identity(one.planned) in self._received
        )

    def _row(self, animal: SubmittedAnimal) -> tuple[object, ...]:
        expected, received = animal.expected(), self._counts(animal)
        cells = [f"{received[kind]} of {expected[kind]}" if expected[kind] else "" for kind in KINDS]
        remarks = "; ".join([*animal.remarks, *_lacks(animal)])
        return animal.specimen, animal.biological_sample_id, animal.centre, *cells, animal.observations, remarks

    def _document(self, submission: DccSubmission, animal: SubmittedAnimal) -> dict[str, object]:
        received = self._counts(animal)
        return {
            "outcome": "account",
            "file": str(submission.path),
            "specimen": animal.specimen,
            "biological_sample_id": animal.biological_sample_id,
            "centre": animal.centre,
            "expected": animal.expected(),
            "received": {kind: received[kind] for kind in KINDS},
            "observations": animal.observations,
            "remarks": [*animal.remarks, *_lacks(animal)],
        }


def _lacks(animal: SubmittedAnimal) -> list[str]:
    """The views that the procedure requires, the submission does not name, and no status excuses."""
    named = {one.kind for one in animal.named}
    return [
        f"no {view} named"
        for view, number in animal.expected().items()
        if number and view not in named and not any(remark.startswith(f"{view}:") for remark in animal.remarks)
    ]


def _identity(image: PushImage) -> tuple[str, str, str]:
    return image.biological_sample_id, image.parameter_stable_id, str(image.source)
