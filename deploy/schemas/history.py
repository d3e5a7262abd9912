"""Editions of the schemas that git's history holds."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.schemas.compatibility.normal import Schema


@dataclass(frozen=True)
class Edition:
    """One schema file as one commit left it; `schema` is None where that commit deleted it."""

    commit: str
    name: str
    schema: Schema | None


def editions(folder: Path) -> Iterator[Edition]:
    """Yield every edition of every schema in a folder that the history of HEAD holds, the newest first.

    A shallow clone holds fewer; without git, or outside a repository, there are none.
    """
    git = shutil.which("git")
    if git is None:
        return
    # From the folder above: the folder itself may be gone.
    above = folder.parent
    log = _git(git, above, "log", "--format=commit %h", "--name-only", "--no-renames", "--relative", "--", folder.name)
    commit = ""
    for line in (log or "").splitlines():
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif line.endswith(".json"):
            text = _git(git, above, "show", f"{commit}:./{line}")
            yield Edition(commit, Path(line).name, None if text is None else json.loads(text))


def _git(git: str, folder: Path, *arguments: str) -> str | None:
    # The program is git as found on PATH; the arguments are this module's and git's own answers.
    answer = subprocess.run(  # noqa: S603
        [git, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return answer.stdout if answer.returncode == 0 else None
