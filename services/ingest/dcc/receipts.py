"""Compares the images that were received with those expected, for each specimen of the submissions."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.common.events import ImageKind
from services.ingest.dcc.content import KINDS, DccSubmission, SubmittedAnimal
from services.ingest.push.image import PushImage
from services.ingest.push.upload import PushResult


@dataclass(frozen=True)
class SpecimenReceipt:
    """The images that one specimen should have and those that were received, by view.

    `specimen` is the centre's own id. `remarks` explain missing views.
    """

    file: Path
    specimen: str
    biological_sample_id: str
    centre: str
    expected: dict[ImageKind, int]
    received: dict[ImageKind, int]
    observations: int
    remarks: list[str]


class SubmissionReceipts:
    """Records received images; an image that an earlier run pushed counts as received."""

    def __init__(self, submissions: Iterable[DccSubmission]) -> None:
        """Start with nothing received."""
        self._submissions = list(submissions)
        self._received: set[tuple[str, str, str]] = set()

    def recording(self, results: Iterable[PushResult]) -> Iterator[PushResult]:
        """Yield the same results, and record each that is not a failure."""
        for result in results:
            if result.outcome != "failed":
                self.record(result.image)
            yield result

    def record(self, image: PushImage) -> None:
        """Count one image as received."""
        self._received.add(_identity(image))

    def receipts(self) -> list[SpecimenReceipt]:
        """Return a receipt for each specimen, in the order of the submissions."""
        return [
            self._receipt(submission.path, animal)
            for submission in self._submissions
            for animal in submission.animals.values()
        ]

    def _receipt(self, path: Path, animal: SubmittedAnimal) -> SpecimenReceipt:
        received = Counter(
            image.kind
            for image in animal.images
            if isinstance(image.planned, PushImage) and _identity(image.planned) in self._received
        )
        return SpecimenReceipt(
            path,
            animal.specimen,
            animal.biological_sample_id,
            animal.centre,
            animal.expected(),
            {kind: received[kind] for kind in KINDS},
            animal.observations,
            [*animal.remarks, *_not_named(animal)],
        )


def _not_named(animal: SubmittedAnimal) -> list[str]:
    """The views that the procedure requires, but that the submission does not name and no status excuses."""
    named = {image.kind for image in animal.images}
    return [
        f"no {view} named"
        for view, number in animal.expected().items()
        if number and view not in named and not any(remark.startswith(f"{view}:") for remark in animal.remarks)
    ]


def _identity(image: PushImage) -> tuple[str, str, str]:
    return image.biological_sample_id, image.parameter_stable_id, str(image.source)
