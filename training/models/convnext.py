"""The ConvNeXt-driven backbone (paper section 4; Liu et al., A ConvNet for the 2020s, CVPR 2022, arXiv:2201.03545)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.common.errors import Fatal
from services.common.labels import LABEL_ORDER
from training.models.bones import EVIDENCE, BoneHead, evidence
from training.models.bridge import ImageBridge, TensorBridge
from training.models.configuration import ConvNeXtSize
from training.models.front_end import MAP_CHANNELS, FrontEnd
from training.models.heads import HierarchicalHeads
from training.models.imagenet import make_convnext
from training.models.output import Output, TrunkBones
from training.models.trunk import cells, levelled, sample, trunk_grid

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
