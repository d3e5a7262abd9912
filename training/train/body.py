"""What the body of a trained network makes of specimens: the vector that its heads read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from services.common.atomic import atomic
from training.datasets.store import Subset
from training.models.serving import unit_range
from training.train.heads import Features

_BATCH: Final = 32


def features_of(backbone: nn.Module, subset: Subset) -> Features:
    """Features float32 [n, features] of a subset's specimens: what goes into the standardisation before the heads."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        kept.append(inputs[0].detach().float())

    backbone.eval()
    handle = backbone.get_submodule("standardise").register_forward_pre_hook(keep)
    try:
        with torch.inference_mode():
            for images in subset.batches(_BATCH):
                backbone(unit_range(torch.from_numpy(images)))
    finally:
        handle.remove()
    return Features(torch.cat(kept).numpy(), subset.labels)


def logits_of(backbone: Any, features: Features) -> Tensor:
    """Uncalibrated logits [n, 14] of features."""
    backbone.eval()
    with torch.inference_mode():
        logits: Tensor = backbone.classify(torch.from_numpy(features.values))
    return logits.clone()


def stored_features(path: Path, backbone: nn.Module, subset: Subset) -> Features:
    """The same, kept in a file: a second call reads it."""
    if not path.exists():
        with atomic(path) as part, part.open("wb") as file:
            np.save(file, features_of(backbone, subset).values)
    return Features(np.load(path), subset.labels)
