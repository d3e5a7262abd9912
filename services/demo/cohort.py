"""The demo's cohort: the files of its submissions, and their rendering.

A submission consists of the images, the true labels, and the expected outcome of each file. The cohort is rendered once
and kept until the simulator changes.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from services.common.errors import Fatal
from services.common.labels import LABEL_ORDER
from services.common.tied import tied
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


PARTS: Final = 2
"""Processes that render in parallel; each renders its own share with its own seed."""
_FIRST_SEED: Final = 100
"""Gives mice with seeds from 10,000,000. Neither the classifiers nor the view network were trained on any of them
(training/train/configuration.py, training/view_network/train.py).
"""


@dataclass(frozen=True)
class CohortRequest:
    """Which cohort to render.

    `side` is the longer side of all images in pixels (None: as each centre sends them). With `simple`, every specimen
    has exactly one good DV and one good LAT image.
    """

    count: int
    seed: int
    side: int | None = None
    simple: bool = False


class CohortRendering:
    """A cohort that child processes are rendering or have rendered."""

    def __init__(self, root: Path, request: CohortRequest) -> None:
        """Choose the folder below `root`; nothing starts before `start`."""
        name = (
            f"{request.count}-{request.seed}-{request.side or 'full'}-{'simple-' * request.simple}{_program_digest()}"
        )
        self._root, self._folder, self._request = root, root / name, request
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Render the cohort unless it is complete; cohorts with other settings are deleted."""
        if self.done == self._request.count:
            return
        shutil.rmtree(self._root, ignore_errors=True)
        self._folder.mkdir(parents=True)
        for part in range(PARTS):
            count = self._request.count // PARTS + (part < self._request.count % PARTS)
            program = [sys.executable, "-m", "training.simulation.render_cohort", str(self._folder)]
            program += [str(_FIRST_SEED + self._request.seed * PARTS + part), str(count), str(self._request.side or 0)]
            program.append("simple" if self._request.simple else "full")
            with (self._folder / f"{part}.log").open("wb") as log:
                self._children.append(
                    subprocess.Popen(  # noqa: S603 - our own program, no shell
                        tied(program), stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
                    )
                )

    @property
    def done(self) -> int:
        """Number of submissions written so far; raises Fatal if a child failed."""
        for part, child in enumerate(self._children):
            if child.poll():
                log = (self._folder / f"{part}.log").read_text(errors="replace")[-2000:]
                raise Fatal(f"the simulated mice could not be rendered:\n{log}")
        return len(list(self._folder.glob("*.json")))

    def result(self) -> list[DemoSubmission]:
        """Wait for the children and return all submissions. Raises Fatal if some are missing."""
        for child in self._children:
            child.wait()
        if self.done != self._request.count:
            raise Fatal(f"{self.done} of {self._request.count} simulated mice were rendered; remove {self._folder}")
        return read_submissions(self._folder)

    def stop(self) -> None:
        """Kill children that still run."""
        for child in self._children:
            child.kill()
            child.wait()


@contextmanager
def rendering(root: Path, request: CohortRequest) -> Iterator[CohortRendering]:
    """Render into a folder below `root` in the background; the children are killed at the end."""
    cohort = CohortRendering(root, request)
    try:
        cohort.start()
        yield cohort
    finally:
        cohort.stop()


def _program_digest() -> str:
    """Return the digest of all code that affects the rendered files."""
    simulator = importlib.util.find_spec("training.simulation")
    if simulator is None or simulator.origin is None:
        raise Fatal("the simulator (training/simulation) is missing; run this in a clone of the repository")
    files = [*sorted(Path(simulator.origin).parent.rglob("*.py")), Path(__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
