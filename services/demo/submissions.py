"""The demo's cohort as files on disk: the images, the true labels, and the expected outcome of each file."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from services.common.labels import LABEL_ORDER
from services.ingest.centres import DEMO_PREFIX

ACCEPTED: Final = "accepted"
SKIPPED: Final = "skipped"
SENT_TWICE: Final = "duplicate"
WRONG_VIEW: Final = "wrong_view"
GOOD: Final = frozenset({ACCEPTED, SENT_TWICE, WRONG_VIEW})
"""Files that intake should accept. A file sent as the wrong view is stored as the view it shows, and flagged."""


class DemoPicture(BaseModel):
    """One file. `expected` is `accepted`, `skipped` (a close-up under its own parameter), or the defect of the file."""

    model_config = ConfigDict(frozen=True)

    file: Path
    sha256: str
    parameter_stable_id: str
    increment: str
    expected: str
    late: bool


class DemoSubmission(BaseModel):
    """One specimen with its true labels (14 zeros and ones in the order of LABEL_ORDER) and its files."""

    model_config = ConfigDict(frozen=True)

    biological_sample_id: str
    centre: str
    truth: tuple[int, ...]
    abnormal_elsewhere: bool
    call_expected: bool
    pictures: tuple[DemoPicture, ...]

    @property
    def announced_centre(self) -> str:
        """Name of the centre in the announced events."""
        return f"{DEMO_PREFIX}{self.centre}"

    def true_labels(self) -> str:
        """Return the true labels as text."""
        labels = [label for label, bit in zip(LABEL_ORDER[1:], self.truth[1:], strict=True) if bit]
        return ", ".join(labels) or ("abnormal elsewhere" if self.abnormal_elsewhere else "normal")


def read_submissions(folder: Path) -> list[DemoSubmission]:
    """Read every submission in a folder, ordered by file name."""
    return [DemoSubmission.model_validate_json(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
