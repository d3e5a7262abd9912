"""A backbone's features: whether they reveal the centre, and the feature maps of one specimen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from training.explain.heat import layers_of
from training.explain.run_folder import TrainedBackbone
from training.metrics.ranking import Estimate, proportion
from training.models.output import ExplainedLayer, unit_range
from training.plots.pictures import MapRow, draw_feature_maps

FOLDS: Final = 5
_STRENGTH: Final = 0.01
"""Inverse of the L2 penalty; strong, because there are more features than specimens."""


@dataclass(frozen=True)
class CentreFromFeatures:
    """Share of specimens whose centre is predicted; `chance` is the share of the most frequent centre."""

    accuracy: Estimate
    chance: float
    centres: int
    specimens: int


def centre_from_features(features: NDArray[np.float32], centres: Sequence[str]) -> CentreFromFeatures | None:
    """Five-fold cross-validated logistic regression from features [n, features] to the centre.

    Centres with fewer specimens than folds are left out; None if fewer than two are left.
    """
    names, counts = np.unique(np.array(centres), return_counts=True)
    kept = np.isin(np.array(centres), names[counts >= FOLDS])
    truth = np.array(centres)[kept]
    if len(set(truth.tolist())) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    found = cross_val_predict(model, features[kept], truth, cv=folds)
    _, counts = np.unique(truth, return_counts=True)
    accuracy = proportion(int((found == truth).sum()), len(truth))
    return CentreFromFeatures(accuracy, float(counts.max() / len(truth)), len(counts), len(truth))


SHOWN: Final = 8
"""Channels drawn per layer and view."""


def draw_maps(path: Path, trained: TrainedBackbone) -> None:
    """Draw the maps of the most confidently called abnormal test specimen (the first one if none is abnormal).

    For each layer it shows the channels with the largest variance over places.
    """
    predictions = trained.predictions
    surest = np.where(predictions.abnormal, predictions.served[:, 0], -1).argmax()
    image = trained.test.images[trained.test.rows[surest]]
    rows = []
    for layer in layers_of(trained.backbone):
        output = _output(trained.backbone, layer, image[None])
        for maps, view in zip(output, ("DV", "LAT") if layer.per_view else ("both",), strict=True):
            picture = image[..., 1] if view == "LAT" else image[..., 0]
            rows.append(MapRow(f"{layer.title}, {view}", picture, _most_varied(maps)))
    draw_feature_maps(path, rows, f"Feature maps of specimen {predictions.specimens[surest]}, {trained.name}")


def _output(backbone: nn.Module, layer: ExplainedLayer, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    captured: list[Tensor] = []

    def capture(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        captured.append(output.detach())

    backbone.eval()
    handle = layer.module.register_forward_hook(capture)
    try:
        with torch.inference_mode():
            backbone(unit_range(torch.tensor(images)))
    finally:
        handle.remove()
    return captured[0].float().numpy()


def _most_varied(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """The maps of [channels, h, w] with the largest variance, [SHOWN, h, w], the largest first."""
    order = np.argsort(-maps.var(axis=(1, 2)), kind="stable")
    chosen: NDArray[np.float32] = maps[order[:SHOWN]]
    return chosen
