"""The vector that a backbone's heads read."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.data.store import Subset
from training.models.serving import unit_range

BATCH = 32


def pooled_features(backbone: nn.Module, subset: Subset) -> NDArray[np.float32]:
    """Features [n, features] of the subset's specimens: what goes into the standardisation before the heads."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        kept.append(inputs[0].detach().float())

    backbone.eval()
    handle = backbone.get_submodule("standardise").register_forward_pre_hook(keep)
    try:
        with torch.inference_mode():
            for images in subset.batches(BATCH):
                backbone(unit_range(torch.from_numpy(images)))
    finally:
        handle.remove()
    return torch.cat(kept).numpy()
