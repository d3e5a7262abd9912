"""The rendered cohort, made once and kept; a change of the simulator makes it anew."""

from __future__ import annotations

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

from services.common.errors import Fatal
from services.common.tied import tied
from services.demo.submissions import DemoSubmission, read_submissions

PARTS: Final = 2
"""Processes that render side by side; each renders its own share with its own seed."""
_FIRST_SEED: Final = 100
"""Mice of seeds 10,000,000 onwards: neither the classifiers nor the view network were trained on any of them
(training/train/configuration.py, training/view_network/train.py).
"""


@dataclass(frozen=True)
class CohortRequest:
    """Which cohort: `side` is the longer side of all pictures in pixels (None: as each centre sends them);
    `simple` is one good DV and one good LAT a specimen.
    """

    count: int
    seed: int
    side: int | None = None
    simple: bool = False


class CohortRendering:
    """A cohort that is being rendered by child processes, or was before."""

    def __init__(self, root: Path, wanted: CohortRequest) -> None:
        """Name the folder; `rendering` starts."""
        name = f"{wanted.count}-{wanted.seed}-{wanted.side or 'full'}-{'simple-' * wanted.simple}{_program_digest()}"
        self._root, self._folder, self._wanted = root, root / name, wanted
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start what is not there yet; cohorts of other settings are removed."""
        if self.done == self._wanted.count:
            return
        shutil.rmtree(self._root, ignore_errors=True)
        self._folder.mkdir(parents=True)
        for part in range(PARTS):
            count = self._wanted.count // PARTS + (part < self._wanted.count % PARTS)
            program = [sys.executable, "-m", "training.simulation.render_cohort", str(self._folder)]
            program += [str(_FIRST_SEED + self._wanted.seed * PARTS + part), str(count), str(self._wanted.side or 0)]
            program.append("simple" if self._wanted.simple else "full")
            with (self._folder / f"{part}.log").open("wb") as log:
                self._children.append(
                    subprocess.Popen(  # noqa: S603 - our own program, no shell
                        tied(program), stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
                    )
                )

    @property
    def done(self) -> int:
        """Submissions written so far; raises Fatal when a child failed."""
        for part, child in enumerate(self._children):
            if child.poll():
                log = (self._folder / f"{part}.log").read_text(errors="replace")[-2000:]
                raise Fatal(f"the simulated mice could not be rendered:\n{log}")
        return len(list(self._folder.glob("*.json")))

    def result(self) -> list[DemoSubmission]:
        """Wait for the children and read all submissions."""
        for child in self._children:
            child.wait()
        if self.done != self._wanted.count:
            raise Fatal(f"{self.done} of {self._wanted.count} simulated mice were rendered; remove {self._folder}")
        return read_submissions(self._folder)

    def stop(self) -> None:
        """End children that still run."""
        for child in self._children:
            child.kill()
            child.wait()


@contextmanager
def rendering(root: Path, wanted: CohortRequest) -> Iterator[CohortRendering]:
    """Render into a folder below `root` in the background."""
    cohort = CohortRendering(root, wanted)
    try:
        cohort.start()
        yield cohort
    finally:
        cohort.stop()


def _program_digest() -> str:
    """Digest of all code that decides what is written."""
    simulator = importlib.util.find_spec("training.simulation")
    if simulator is None or simulator.origin is None:
        raise Fatal("the simulator (training/simulation) is not there; run this in a clone of the repository")
    here = [Path(__file__).with_name(name) for name in ("cohort.py", "submissions.py")]
    files = [*sorted(Path(simulator.origin).parent.rglob("*.py")), *here]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
