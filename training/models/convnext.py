"""The ConvNeXt-driven backbone (paper section 4; Liu et al., A ConvNet for the 2020s, CVPR 2022, arXiv:2201.03545)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from services.common.labels import LABEL_ORDER
from training.models.bones import EVIDENCE, BoneHead, evidence
from training.models.bridge import ImageBridge
from training.models.configuration import ConvNeXtSize
from training.models.front_end import MAP_CHANNELS, FrontEnd
from training.models.heads import HierarchicalHeads
from training.models.imagenet import make_convnext
from training.models.output import Output
from training.models.pooling import mean_and_deviation


class ConvNeXtDriven(nn.Module):
    """EfficientNet maps of DV and LAT, bridged to an image for a ConvNeXt, then the heads of the three levels."""

    def __init__(self, size: ConvNeXtSize) -> None:
        super().__init__()
        self.front_end = FrontEnd(size.front_end)
        self.bridge = ImageBridge(size.bridge, size.enlarge)
        convnext = make_convnext(size.convnext, from_imagenet=size.convnext_from_imagenet)
        self.convnext = convnext
        self.bones = BoneHead(size.bone_width) if size.bone_width else None
        self.pooled_skip = size.pooled_skip
        joined = (EVIDENCE if size.bone_width else 0) + (4 * MAP_CHANNELS if size.pooled_skip else 0)
        features = convnext.num_features + joined
        self.standardise = nn.Sequential(nn.BatchNorm1d(features, affine=False), nn.Dropout(size.feature_dropout))
        self.heads = HierarchicalHeads(features, size.grid_channels, size.dense)
        self.shortcut = nn.Linear(features, len(LABEL_ORDER)) if joined else None

    def maps(self, image: Tensor) -> Tensor:
        """Front-end maps of both views: [n, 3, side, side] in [0, 1] to [n, 480, side / 8, side / 8]."""
        views = image[:, :2].reshape(-1, 1, *image.shape[2:])
        maps: Tensor = self.front_end(views)
        return maps.reshape(-1, 2 * MAP_CHANNELS, *maps.shape[2:])

    def forward_maps(self, maps: Tensor) -> Output:
        """Run everything behind the front end: [n, 480, h, w] to 14 logits and bone logits [n, 2, channels, h, w]."""
        features = [self.convnext(self.bridge(maps))]
        bones = None
        if self.bones is not None:
            views = maps.reshape(-1, MAP_CHANNELS, *maps.shape[2:])
            bones = self.bones(views).unflatten(0, (-1, 2))
            features.append(evidence(bones))
        if self.pooled_skip:
            features += mean_and_deviation(maps)
        joined = self.standardise(torch.cat(features, dim=1))
        logits: Tensor = self.heads(joined)
        return Output(logits if self.shortcut is None else logits + self.shortcut(joined), None, bones)

    def forward(self, image: Tensor) -> Output:
        """Compute the output for [n, 3, side, side] images in [0, 1]."""
        return self.forward_maps(self.maps(image))
