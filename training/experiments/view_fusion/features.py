"""Frozen ImageNet features of a combined picture: the same front end as the ConvNeXt-driven backbone's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.datasets.store import Subset
from training.experiments.view_fusion.methods import Pictures
from training.models.folding import fold_batch_norm
from training.models.front_end import INPUT_MEAN, INPUT_SCALE, load_imagenet
from training.models.pooling import mean_and_deviation

FEATURES: Final = 480
BATCH: Final = 32
_BLOCK_3: Final = 2


class FrozenFeatures(nn.Module):
    """Pictures [n, 3, side, side] in [0, 1] to [n, 480]: mean and deviation of block 3b's 240 maps."""

    def __init__(self) -> None:
        super().__init__()
        network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        load_imagenet(network)
        last = network.blocks[_BLOCK_3][1]
        self.layers = nn.Sequential(
            network.conv_stem,
            network.bn1,
            *network.blocks[:_BLOCK_3],
            network.blocks[_BLOCK_3][0],
            nn.Sequential(last.conv_pw, last.bn1, last.conv_dw, last.bn2),
        )
        fold_batch_norm(self.layers.eval())
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute the features."""
        return torch.cat(mean_and_deviation(self.layers((pictures - INPUT_MEAN) / INPUT_SCALE)), dim=1)


def combined_features(
    network: FrozenFeatures, subset: Subset, combine: Callable[[Pictures], Pictures], tell: Callable[[int], None]
) -> NDArray[np.float32]:
    """Features [n, 480] of the subset's combined pictures; `tell` is told how many more are done."""
    parts = []
    for images in subset.batches(BATCH):
        pictures = combine(np.ascontiguousarray(images[..., :2].transpose(0, 3, 1, 2)))
        image = torch.from_numpy(pictures).float().div(255).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            parts.append(network(image).numpy())
        tell(len(images))
    return np.concatenate(parts)
