"""The ConvNeXt-driven backbone (paper section 4; Liu et al., A ConvNet for the 2020s, CVPR 2022, arXiv:2201.03545)."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

from services.common.labels import LABEL_ORDER
from training.models.bridge import ImageBridge
from training.models.configuration import ConvNeXtSize
from training.models.front_end import MAP_CHANNELS, FrontEnd
from training.models.heads import HierarchicalHeads
from training.models.output import Output
from training.models.pooling import mean_and_deviation


class ConvNeXtDriven(nn.Module):
    """EfficientNet maps of DV and LAT, bridged to an image for a ConvNeXt, then the heads of the three levels."""

    def __init__(self, size: ConvNeXtSize) -> None:
        super().__init__()
        self.size = size
        self.front_end = FrontEnd(frozen=not size.train_front_end)
        self.bridge = ImageBridge(size.bridge, size.image_side)
        # Layer scale starts near zero to train hundreds of epochs; from scratch in a few it would only hold back.
        scale: dict[str, Any] = {} if size.convnext_from_imagenet else {"ls_init_value": None}
        convnext: Any = timm.create_model(
            size.convnext, pretrained=size.convnext_from_imagenet, num_classes=0, global_pool="fast", **scale
        )
        self.convnext = convnext
        features = convnext.num_features + (4 * MAP_CHANNELS if size.pooled_skip else 0)
        self.standardise = nn.Sequential(nn.BatchNorm1d(features, affine=False), nn.Dropout(size.feature_dropout))
        self.heads = HierarchicalHeads(features, size.grid_channels, size.dense)
        self.shortcut = nn.Linear(features, len(LABEL_ORDER)) if size.pooled_skip else None

    def maps(self, image: Tensor) -> Tensor:
        """Front-end maps of both views: [n, 3, 224, 224] in [0, 1] to [n, 480, 28, 28]."""
        views = image[:, :2].reshape(-1, 1, *image.shape[2:])
        maps: Tensor = self.front_end(views)
        return maps.reshape(-1, 2 * MAP_CHANNELS, *maps.shape[2:])

    def forward_maps(self, maps: Tensor) -> Output:
        """Run everything behind the front end: [n, 480, 28, 28] to the 14 logits."""
        features = self.convnext(self.bridge(maps))
        if self.size.pooled_skip:
            features = torch.cat([features, *mean_and_deviation(maps)], dim=1)
        features = self.standardise(features)
        logits: Tensor = self.heads(features)
        return Output(logits if self.shortcut is None else logits + self.shortcut(features), None)

    def forward(self, image: Tensor) -> Output:
        """Compute the 14 logits of [n, 3, 224, 224] images in [0, 1]."""
        return self.forward_maps(self.maps(image))
