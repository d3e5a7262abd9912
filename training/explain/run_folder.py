"""Training runs on disk: their predictions, and their weights with the test specimens that the predictions are for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel
from torch import nn

from services.common.errors import Rejected
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder, Subset, at_side
from training.evaluation.parquet import load
from training.metrics.predictions import PredictionOrigin, Predictions, RunKey
from training.models.registry import BACKBONES, build_backbone
from training.train.checkpoint import FINAL, path_of, read_weights
from training.train.configuration import CONFIGURATIONS, Configuration

METRICS: Final = "metrics.json"
PATTERN: Final = "predictions-*.parquet"


@dataclass(frozen=True)
class TrainedBackbone:
    """One backbone with its test specimens; row n of `test` and of `predictions` is the same specimen."""

    name: str
    backbone: nn.Module
    test: Subset
    predictions: Predictions


class RunSummary(BaseModel):
    """Size and time of a run, from its `metrics.json`: specimens by part, epochs and minutes by backbone."""

    configuration: str
    specimens: dict[str, int]
    epochs: dict[str, int]
    minutes: dict[str, float]


@dataclass(frozen=True)
class RunFolder:
    """A folder that `xray train models` wrote; `data` is its training set if that is not the run's own."""

    folder: Path
    data: Path | None = None

    def can_open(self, predictions: Predictions) -> bool:
        """Whether the weights of these predictions are here; only backbones that read both views are inspected."""
        model, views = predictions.origin.model, predictions.origin.input
        return model in BACKBONES and views == "MV" and path_of(self.folder / model, FINAL).exists()

    def open(self, name: str, predictions: Predictions) -> TrainedBackbone:
        """Load the backbone of the predictions and its test specimens, in the predictions' order.

        Raises Rejected `unknown_configuration`, `no_training_set` or `other_training_set`.
        """
        origin = predictions.origin
        if origin.config not in CONFIGURATIONS:
            message = f"configuration {origin.config!r} of {self.folder} is not one of {', '.join(CONFIGURATIONS)}"
            raise Rejected("unknown_configuration", message)
        configuration = CONFIGURATIONS[origin.config]
        backbone = build_backbone(origin.model, configuration.size)
        backbone.load_state_dict(read_weights(self.folder / origin.model, FINAL))
        test = _test_specimens(self._data_of(configuration), predictions, configuration.side)
        return TrainedBackbone(name, backbone.eval(), test, predictions)

    def _data_of(self, configuration: Configuration) -> Path:
        owner = self.folder.parent / configuration.training_set if configuration.training_set else self.folder
        return self.data or owner / "data"

    def summary(self) -> RunSummary | None:
        """Size and time of the run; None until it has finished."""
        path = self.folder / METRICS
        return RunSummary.model_validate_json(path.read_bytes()) if path.exists() else None


@dataclass(frozen=True)
class EvaluationSources:
    """All predictions of an evaluation, and for those read from a folder the training run of that folder."""

    predictions: tuple[Predictions, ...]
    folders: Mapping[RunKey, RunFolder]

    def folder_of(self, origin: PredictionOrigin) -> RunFolder | None:
        """The training run of these predictions."""
        return self.folders.get(origin.key)


def read_sources(paths: Sequence[Path], data: Path | None) -> EvaluationSources:
    """Read prediction files, and the `predictions-*.parquet` of each folder.

    `data` is the training set of all runs; by default it is the folder `data` of each run, or of the run whose set it
    uses. Raises Rejected `no_predictions` for a folder without such files, and what reading a file raises.
    """
    predictions: list[Predictions] = []
    folders: dict[RunKey, RunFolder] = {}
    for path in paths:
        found = [load(file) for file in _files(path)]
        predictions += found
        if path.is_dir():
            run = RunFolder(path, data)
            folders |= {one.origin.key: run for one in found}
    return EvaluationSources(tuple(predictions), folders)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob(PATTERN))
    if not files:
        raise Rejected("no_predictions", f"{path} holds no {PATTERN}: has its training finished?")
    return files


def _test_specimens(data: Path, predictions: Predictions, side: int) -> Subset:
    recipe = data / "recipe.json"
    if not recipe.exists():
        raise Rejected("no_training_set", f"{data} holds no training set; name its folder with --data")
    store = SetFolder(data, Recipe(**json.loads(recipe.read_text(encoding="utf-8"))))
    test = store.subset("test")
    names = {entry.index: entry.specimen for entry in store.entries()}
    position = {names[row]: number for number, row in enumerate(test.rows.tolist())}
    order = np.array([position.get(specimen, -1) for specimen in predictions.specimens])
    if (order < 0).any() or not np.array_equal(test.labels[order], predictions.labels):
        message = f"the test specimens of {data} are not those of the predictions; name their training set with --data"
        raise Rejected("other_training_set", message)
    centres = tuple(test.centres[number] for number in order.tolist())
    ordered = replace(test, rows=test.rows[order], labels=test.labels[order], centres=centres)
    return at_side(ordered, store, side)
