"""The stack's own copy of the model repository."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

_CONFIGURATION = "config.pbtxt"
_CARD = re.compile(r'"(card\.\d+)"')


def copy_models(source: Path, target: Path) -> list[str]:
    """Bring every model folder of `source` into `target` and return the names of all models that `target` then has.

    Symbolic links become files. A file is copied if it is missing or older in the target: what was added to or
    changed in the copy of a stack since, such as a newer version of a model, stays; so does a configuration that holds
    cards of versions which only the copy has.
    """
    target.mkdir(parents=True, exist_ok=True)
    for model in model_names(source):
        for folder, _, files in os.walk(source / model, followlinks=True):
            if Path(folder).name != "__pycache__":
                _copy_files(Path(folder), files, target / Path(folder).relative_to(source))
    return model_names(target)


def model_names(repository: Path) -> list[str]:
    """Return the names of the folders that hold a model configuration, sorted."""
    return sorted(configuration.parent.name for configuration in repository.glob(f"*/{_CONFIGURATION}"))


def _copy_files(source: Path, files: list[str], target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        original, copy = source / file, target / file
        if copy.exists() and (copy.stat().st_mtime >= original.stat().st_mtime or _names_more(copy, original)):
            continue
        partial = target / f".{file}.partial"
        shutil.copy2(original, partial)
        partial.replace(copy)


def _names_more(copy: Path, original: Path) -> bool:
    """Whether these are configurations, and the copy's holds a card that the original's lacks."""
    if copy.name != _CONFIGURATION:
        return False
    ours, theirs = (set(_CARD.findall(path.read_text(encoding="utf-8"))) for path in (copy, original))
    return not ours <= theirs
