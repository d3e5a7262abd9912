"""The ConvNeXt-driven backbone (paper section 4; Liu et al., A ConvNet for the 2020s, CVPR 2022, arXiv:2201.03545).

From both views' maps of 240 channels, or from the fused tensor, to the three-channel image that the ConvNeXt reads.

The paper (section 4) does not say how 28x28x240 becomes 224x224x3. Decision: a learned 1x1 projection of both
views' maps, then either bilinear upsampling, or a sub-pixel rearrangement (Shi et al., CVPR 2016,
arXiv:1609.05158), which spends the finer pixels on more channels instead of on interpolated ones.

A ConvNeXt with or without the ImageNet weights that timm fetches from the Hugging Face hub (Apache-2.0).
"""

from __future__ import annotations

from typing import Any, Final, Literal

import timm
import torch
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn
from torch.nn import functional

from services.common.errors import Fatal
from services.common.labels import LABEL_ORDER
from training.models.bones import EVIDENCE, BoneHead, evidence
from training.models.configuration import ConvNeXtSize
from training.models.front_end import MAP_CHANNELS, FrontEnd
from training.models.heads import HierarchicalHeads
from training.models.output import Output, TrunkBones
from training.models.trunk import cells, levelled, sample, trunk_grid


class ImageBridge(nn.Module):
    """[n, 480, h, w] (DV map, then LAT map) to [n, 3, enlarge * h, enlarge * w]."""

    def __init__(self, kind: Literal["bilinear", "subpixel"], enlarge: int) -> None:
        super().__init__()
        self.kind = kind
        self.enlarge = enlarge
        channels = 3 * enlarge**2 if kind == "subpixel" else 3
        self.project = nn.Conv2d(2 * MAP_CHANNELS, channels, kernel_size=1, bias=False)
        self.normalise = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Project and enlarge."""
        projected: Tensor = self.normalise(self.project(maps))
        if self.kind == "subpixel":
            return functional.pixel_shuffle(projected, self.enlarge)
        return functional.interpolate(projected, scale_factor=float(self.enlarge), mode="bilinear", align_corners=False)


class TensorBridge(nn.Module):
    """The fused tensor [n, 3, side, side] in [0, 1], normalised as ImageNet's colours are for a ConvNeXt."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("mean", IMAGENET_DEFAULT_MEAN), ("spread", IMAGENET_DEFAULT_STD)):
            self.register_buffer(name, torch.tensor(values).reshape(-1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Normalise each channel."""
        return (image - self.mean) / self.spread


def make_convnext(name: str, *, from_imagenet: bool) -> Any:
    """Make timm's ConvNeXt `name` without its classifier.

    The weights come from the hub's cache, or the network once. Raises Fatal if neither has them: a run that was meant
    to start from ImageNet never starts from nothing in silence.
    """
    # Layer scale starts near zero to train hundreds of epochs; from scratch in a few it would only hold back.
    scale: dict[str, Any] = {} if from_imagenet else {"ls_init_value": None}
    try:
        return timm.create_model(name, pretrained=from_imagenet, num_classes=0, global_pool="fast", **scale)
    except OSError as error:
        msg = (
            f"no ImageNet weights of {name}: let this machine reach huggingface.co once, put the hub's cache into "
            "HF_HOME, or set convnext_from_imagenet=False in training/models/configuration.py to start from nothing"
        )
        raise Fatal(msg) from error


SIDE: Final = 224
"""Pixels a side of a whole view as the network reads it; finer tensors serve the trunk."""


class ConvNeXtDriven(nn.Module):
    """EfficientNet maps of DV and LAT, bridged to an image for a ConvNeXt, then the heads of the three levels.

    With the bridge `tensor` the ConvNeXt reads the fused tensor itself. Raises Fatal for a size with that bridge and
    bone heads, which read the maps.
    """

    def __init__(self, size: ConvNeXtSize) -> None:
        super().__init__()
        self.front_end: FrontEnd | None = None
        self.bridge: ImageBridge | TensorBridge
        if size.bridge == "tensor":
            self.bridge = TensorBridge()
            if size.bone_width:
                msg = "bone heads read the front end's maps, which the bridge `tensor` has none of: set bone_width to 0"
                raise Fatal(msg)
        else:
            self.front_end = FrontEnd(size.frozen_blocks)
            self.bridge = ImageBridge(size.bridge, size.enlarge)
        convnext = make_convnext(size.convnext, from_imagenet=size.convnext_from_imagenet)
        self.convnext = convnext
        self.bones = BoneHead(size.bone_width) if size.bone_width else None
        self.trunk = TrunkReader(size) if size.bone_width else None
        features = convnext.num_features + (2 * EVIDENCE if size.bone_width else 0)
        self.standardise = nn.Sequential(nn.BatchNorm1d(features, affine=False), nn.Dropout(size.feature_dropout))
        self.heads = HierarchicalHeads(features, size.grid_channels, size.dense)
        self.shortcut = nn.Linear(features, len(LABEL_ORDER)) if size.bone_width else None

    def forward(self, image: Tensor) -> Output:
        """Compute the output for [n, 3, side, side] images in [0, 1]; `side` is 224 or a multiple of it."""
        if self.front_end is None:
            return Output(self.classify(self.convnext(self.bridge(_coarse(image)))))
        maps = view_maps(self.front_end, image)
        features = [self.convnext(self.bridge(maps))]
        bones = trunk = None
        if self.bones is not None and self.trunk is not None:
            each: Tensor = self.bones(maps.reshape(-1, MAP_CHANNELS, *maps.shape[2:]))
            bones = each.reshape(-1, 2, *each.shape[1:])
            trunk = self.trunk(image[:, :2])
            features += [evidence(bones), evidence(trunk.bones)]
        return Output(self.classify(torch.cat(features, dim=1)), None, bones, trunk)

    def classify(self, features: Tensor) -> Tensor:
        """Features [n, features] of a specimen to the 14 logits."""
        joined = self.standardise(features)
        logits: Tensor = self.heads(joined)
        return logits if self.shortcut is None else logits + self.shortcut(joined)


def view_maps(front_end: FrontEnd, image: Tensor) -> Tensor:
    """Front-end maps of both views: [n, 3, side, side] in [0, 1] to [n, 480, 28, 28]."""
    maps: Tensor = front_end(_coarse(image[:, :2].reshape(-1, 1, *image.shape[2:])))
    return maps.reshape(-1, 2 * MAP_CHANNELS, *maps.shape[2:])


def _coarse(pictures: Tensor) -> Tensor:
    """Pool [n, channels, side, side] to 224 pixels a side."""
    finer = pictures.shape[-1] // SIDE
    return functional.avg_pool2d(pictures, finer) if finer > 1 else pictures


class TrunkReader(nn.Module):
    """A second front end and bone head, for the trunk's window of each view."""

    def __init__(self, size: ConvNeXtSize) -> None:
        super().__init__()
        self.front_end = FrontEnd(size.frozen_blocks)
        self.bones = BoneHead(size.bone_width)

    def forward(self, views: Tensor) -> TrunkBones:
        """Read DV and LAT [n, 2, side, side] in [0, 1]."""
        grid = trunk_grid(views)
        window = levelled(sample(views.reshape(-1, 1, *views.shape[2:]), grid))
        bones: Tensor = self.bones(self.front_end(window))
        return TrunkBones(bones.reshape(-1, 2, *bones.shape[1:]), cells(grid))
