"""What `xray train evaluate` is given: files of predictions, and folders of training runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.common.errors import Rejected
from training.evaluation.parquet import load
from training.evaluation.predictions import Origin, Predictions
from training.explain.inspection.run import RunFolder

PATTERN = "predictions-*.parquet"


@dataclass(frozen=True)
class Sources:
    """All predictions, and the folder of the training run that each lies in if a folder was named."""

    predictions: tuple[Predictions, ...]
    folders: Mapping[tuple[str, str, str, int], RunFolder]

    def folder_of(self, origin: Origin) -> RunFolder | None:
        """The training run of these predictions."""
        return self.folders.get(origin.key)


def read_sources(paths: Sequence[Path], data: Path | None) -> Sources:
    """Read files, and of each folder its `predictions-*.parquet`.

    `data` is the training set of all runs, by default the folder `data` of each, or of the run whose set it uses.
    Raises Rejected `no_predictions` for a folder without such files, and all that reading a file raises.
    """
    predictions: list[Predictions] = []
    folders: dict[tuple[str, str, str, int], RunFolder] = {}
    for path in paths:
        found = [load(file) for file in _files(path)]
        predictions += found
        if path.is_dir():
            run = RunFolder(path, data)
            folders |= {one.origin.key: run for one in found}
    return Sources(tuple(predictions), folders)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob(PATTERN))
    if not files:
        raise Rejected("no_predictions", f"{path} holds no {PATTERN}: has its training ended?")
    return files
