"""Open what a training run left: its weights, its test specimens, its epochs and its time.

Everything that the report says about the inside of one model, computed and drawn once.

What only the trained model itself can tell: its weights over the pictures of its test specimens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel

from services.common.errors import Rejected
from training.datasets.recipe import Recipe
from training.datasets.resolution import at_side
from training.datasets.store import SetFolder, Subset
from training.evaluation.predictions import Predictions
from training.explain.features import CentreFromFeatures, centre_from_features, draw_maps
from training.explain.heat_maps import HeatStudy, draw_sheets, study
from training.explain.reconstruction import PAPER_MSE, PAPER_SSIM, Reconstruction, draw_rebuilt, reconstruction
from training.explain.trained import TrainedBackbone
from training.models.registry import BACKBONES, build_backbone
from training.report.plots.curves import draw_learning
from training.report.plots.pictures import draw_histograms
from training.train.checkpoint import FINAL, Epoch, path_of, read_weights
from training.train.configuration import CONFIGURATIONS, Configuration
from training.train.heads import features_of
from training.train.history import recorded_epochs

Tell = Callable[[str], None]
"""Told what is done next."""


@dataclass(frozen=True)
class InspectedModels:
    """One model from the inside; `sheets` are the labels that have a sheet of heat."""

    name: str
    heat: tuple[HeatStudy, ...]
    sheets: tuple[str, ...]
    reconstruction: Reconstruction | None
    centre: CentreFromFeatures | None
    epochs: tuple[Epoch, ...]
    clock: Clock | None

    def picture(self, kind: str) -> str:
        """File name of one of its pictures: `heat-spine-convnext-demo-mv-seed-1.png`."""
        return picture_name(kind, self.name)


def picture_name(kind: str, name: str) -> str:
    """File name of a picture of the named run."""
    return f"{re.sub(r'[^a-z0-9.]+', '-', f'{kind}-{name}'.lower())}.png"


def look_inside(run: RunFolder, trained: TrainedBackbone, out: Path, tell: Tell) -> InspectedModels:
    """Measure an opened model of a run, and write its pictures into the report's folder."""
    name = trained.name
    tell(f"centre from the features of {name}")
    centre = centre_from_features(features_of(trained.backbone, trained.test).values, trained.test.centres)
    tell(f"heat of {name} on altered bones")
    heat = study(trained)
    sheets = draw_sheets(
        trained, lambda label: out / picture_name(f"heat-{label}", name), lambda file: tell(f"drawing {file}")
    )
    draw_maps(out / picture_name("maps", name), trained)
    epochs = recorded_epochs(run.folder / trained.predictions.origin.model)
    if epochs:
        draw_learning(out / picture_name("learning", name), epochs, f"Learning curves, {name}")
    tell(f"reconstructions of {name}")
    return InspectedModels(name, heat, tuple(sheets), _rebuilt(trained, out), centre, epochs, run.clock())


def _rebuilt(trained: TrainedBackbone, out: Path) -> Reconstruction | None:
    found = reconstruction(trained.backbone, trained.test)
    if found is not None:
        figures = [
            ("Mean squared error", found.rebuilt.mse, PAPER_MSE[0]),
            ("Structural similarity", found.rebuilt.ssim, PAPER_SSIM[0]),
        ]
        abnormal = trained.test.labels[:, 0] == 1
        title = f"Reconstruction of test specimens, {trained.name}"
        draw_histograms(out / picture_name("rebuilt", trained.name), figures, abnormal, title)
        draw_rebuilt(out / picture_name("rebuilt-examples", trained.name), trained, found.rebuilt)
    return found


METRICS: Final = "metrics.json"


class Clock(BaseModel):
    """What a run's `metrics.json` says of its size and time: specimens by part, epochs and minutes by backbone."""

    configuration: str
    specimens: dict[str, int]
    epochs: dict[str, int]
    minutes: dict[str, float]


@dataclass(frozen=True)
class RunFolder:
    """A folder that `xray train models` wrote; `data` is its training set's where it is not the run's own."""

    folder: Path
    data: Path | None = None

    def can_open(self, predictions: Predictions) -> bool:
        """Whether the weights of these predictions are here; a consensus has none, and single views are not shown."""
        model, views = predictions.origin.model, predictions.origin.input
        return model in BACKBONES and views == "MV" and path_of(self.folder / model, FINAL).exists()

    def open(self, name: str, predictions: Predictions) -> TrainedBackbone:
        """Load the backbone of the predictions and its test specimens, in the predictions' order.

        Raises Rejected `unknown_configuration`, `no_training_set` or `other_training_set`.
        """
        origin = predictions.origin
        if origin.config not in CONFIGURATIONS:
            words = f"configuration {origin.config!r} of {self.folder} is not one of {', '.join(CONFIGURATIONS)}"
            raise Rejected("unknown_configuration", words)
        configuration = CONFIGURATIONS[origin.config]
        backbone = build_backbone(origin.model, configuration.size)
        backbone.load_state_dict(read_weights(self.folder / origin.model, FINAL))
        return TrainedBackbone(
            name,
            backbone.eval(),
            _specimens(self._data_of(configuration), predictions, configuration.side),
            predictions,
        )

    def _data_of(self, configuration: Configuration) -> Path:
        owner = self.folder.parent / configuration.training_set if configuration.training_set else self.folder
        return self.data or owner / "data"

    def clock(self) -> Clock | None:
        """Size and time of the run; None before it has ended."""
        path = self.folder / METRICS
        return Clock.model_validate_json(path.read_bytes()) if path.exists() else None


def _specimens(data: Path, predictions: Predictions, side: int) -> Subset:
    recipe = data / "recipe.json"
    if not recipe.exists():
        raise Rejected("no_training_set", f"{data} holds no training set; name its folder by --data")
    store = SetFolder(data, Recipe(**json.loads(recipe.read_text(encoding="utf-8"))))
    test = store.subset("test")
    names = {entry.index: entry.specimen for entry in store.entries()}
    place = {names[row]: number for number, row in enumerate(test.rows.tolist())}
    order = np.array([place.get(specimen, -1) for specimen in predictions.specimens])
    if (order < 0).any() or not np.array_equal(test.labels[order], predictions.labels):
        words = f"the test specimens of {data} are not those of the predictions; name their training set by --data"
        raise Rejected("other_training_set", words)
    centres = tuple(test.centres[number] for number in order.tolist())
    ordered = replace(test, rows=test.rows[order], labels=test.labels[order], centres=centres)
    return at_side(ordered, store, side)
