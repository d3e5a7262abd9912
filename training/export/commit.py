"""The commit of the code that made a model."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_CODE: Final = ("services", "training")
CHANGED: Final = "+"


def code_commit() -> str:
    """Return the commit's SHA-1, with "+" behind it if code differs from it; empty outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return ""
    return commit + (CHANGED if _git("status", "--porcelain", "--untracked-files=no", "--", *_CODE) else "")


def _git(*words: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, *words], cwd=_ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else ""
