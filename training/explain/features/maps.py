"""Feature maps of one specimen: what the network makes of each view."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.explain.heat.layers import Layer, layers_of
from training.explain.inspection.trained import Trained
from training.models.serving import unit_range
from training.report.plots.feature_maps import MapRow, draw_feature_maps

SHOWN: Final = 8


def draw_maps(path: Path, trained: Trained) -> None:
    """Draw the maps of the abnormal test specimen that the model is surest of (of the first one if none is abnormal).

    Of each layer the channels are shown whose values differ most from place to place.
    """
    predictions = trained.predictions
    surest = np.where(predictions.abnormal, predictions.served[:, 0], -1).argmax()
    image = trained.test.images[trained.test.rows[surest]]
    rows = []
    for layer in layers_of(trained.backbone):
        output = _output(trained.backbone, layer, image[None])
        for maps, view in zip(output, ("DV", "LAT") if layer.per_view else ("both",), strict=True):
            picture = image[..., 1] if view == "LAT" else image[..., 0]
            rows.append(MapRow(f"{layer.title}, {view}", picture, _liveliest(maps)))
    draw_feature_maps(path, rows, f"Feature maps of specimen {predictions.specimens[surest]}, {trained.name}")


def _output(backbone: nn.Module, layer: Layer, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept.append(output.detach())

    backbone.eval()
    handle = layer.module.register_forward_hook(keep)
    try:
        with torch.inference_mode():
            backbone(unit_range(torch.tensor(images)))
    finally:
        handle.remove()
    return kept[0].float().numpy()


def _liveliest(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of maps [channels, h, w] those of the largest variance, [SHOWN, h, w], the largest first."""
    order = np.argsort(-maps.var(axis=(1, 2)), kind="stable")
    chosen: NDArray[np.float32] = maps[order[:SHOWN]]
    return chosen
