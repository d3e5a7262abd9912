"""From the maps of both views, or from the fused tensor, to the three-channel image that the ConvNeXt reads.

The paper (section 4) does not say how 28x28x240 becomes 224x224x3. Decision: a learned 1x1 projection of both views'
maps, then either bilinear upsampling or a sub-pixel rearrangement (Shi et al., CVPR 2016, arXiv:1609.05158). The latter
uses the additional pixels for more channels instead of interpolated ones.
"""

from typing import Literal

import torch
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn
from torch.nn import functional

from training.models.front_end import MAP_CHANNELS

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
