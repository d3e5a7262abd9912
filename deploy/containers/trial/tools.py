"""Running the programs of a trial."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CLONE: Final = Path(__file__).resolve().parents[3]
WORK: Final = CLONE / ".cache" / "containers"
"""Everything that a trial makes: images, volumes, programs. Some of it belongs to root."""
_STEP_SECONDS: Final = 1800.0


class TrialError(Exception):
    """A step failed; the words say which and how it ended."""


def need(*programs: str, hint: str) -> None:
    """Raise TrialError unless every program is on the PATH."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise TrialError(f"{', '.join(missing)} not found; {hint}")


def run(*command: str | Path, environment: Mapping[str, str] | None = None, cwd: Path = CLONE) -> str:
    """Run a program, noting all it says in WORK/trial.log, and return its standard output.

    Raises TrialError with the end of what it said unless it ends with 0.
    """
    words = [str(word) for word in command]
    WORK.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run(  # noqa: S603 - the trial's own commands, no shell
        words,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | (environment or {}),
        timeout=_STEP_SECONDS,
    )
    with (WORK / "trial.log").open("a") as log:
        log.write(f"$ {' '.join(words)}\n{ended.stdout}{ended.stderr}[{ended.returncode}]\n")
    if ended.returncode != 0:
        said = "\n".join((ended.stdout + ended.stderr).splitlines()[-25:])
        raise TrialError(f"`{' '.join(words)}` ended with {ended.returncode}:\n{said}")
    return ended.stdout
