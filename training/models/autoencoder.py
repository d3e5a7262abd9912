"""The backbone driven by a convolutional autoencoder (paper section 4, "CAE-driven")."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.common.labels import LABEL_ORDER, LEVEL2, LEVEL3
from services.common.preprocessing import DV_WEIGHT
from training.models.bones import EVIDENCE, CodeBoneHead, evidence
from training.models.configuration import AutoencoderSize
from training.models.heads import mean_and_deviation
from training.models.output import Output, TrunkBones
from training.models.trunk import cells, levelled, sample, trunk_grid

_DARK: Final = -3.0
"""Logit the decoder starts from: most of a picture is black air, and a start at grey costs epochs."""


class AutoencoderDriven(nn.Module):
    """Encoder to a 56x56x128 code, mirrored decoder, and heads for the three levels on the pooled code."""

    def __init__(self, size: AutoencoderSize) -> None:
        super().__init__()
        first, code = size.widths
        # Passed by the whole picture's code alone; the trunk's window goes through the same encoder.
        self.code = nn.Identity()
        self.encoder = nn.Sequential(*_halved(3, first), *_halved(first, code))
        last = nn.ConvTranspose2d(first, 3, kernel_size=2, stride=2)
        if last.bias is not None:
            nn.init.constant_(last.bias, _DARK)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(code, first, kernel_size=2, stride=2), nn.ReLU(), last, nn.Sigmoid()
        )
        self.grid = size.grid
        self.trunk = TrunkCode(code, size.bone_width) if size.bone_width else None
        pooled = code * (size.grid**2 + 2) + (EVIDENCE if size.bone_width else 0)
        self.standardise = nn.Sequential(nn.BatchNorm1d(pooled, affine=False), nn.Dropout(size.dropout))
        self.shortcut = nn.Linear(EVIDENCE, len(LABEL_ORDER)) if size.bone_width else None
        self.level1 = nn.Linear(pooled, 1)
        self.level2 = _dense_head(pooled, size)
        self.level2_output = nn.Linear(size.dense, len(LEVEL2))
        self.level3 = _dense_head(size.dense, size)
        self.level3_output = nn.Linear(size.dense, len(LEVEL3))

    def classify(self, features: Tensor) -> Tensor:
        """Features [n, features] of a specimen to the 14 logits."""
        pooled = self.standardise(features)
        level2 = self.level2(pooled)
        level3 = self.level3(level2)
        logits = torch.cat([self.level1(pooled), self.level2_output(level2), self.level3_output(level3)], dim=1)
        return logits if self.shortcut is None else logits + self.shortcut(pooled[:, -EVIDENCE:])

    def forward(self, image: Tensor) -> Output:
        """Compute logits, the rebuilt image and bone logits of [n, 3, side, side] images in [0, 1]."""
        code = self.code(self.encoder(image))
        trunk = None if self.trunk is None else self.trunk(self.encoder, image[:, :2])
        means = functional.avg_pool2d(code, code.shape[-1] // self.grid).flatten(1)
        features = [means.float(), *mean_and_deviation(code)]
        if trunk is not None:
            features.append(evidence(trunk.bones))
        return Output(self.classify(torch.cat(features, dim=1)), self.decoder(code), None, trunk)


class TrunkCode(nn.Module):
    """The same encoder on the trunk's window, and where bones and altered bones lie in its code.

    Both windows have the head up and one size: DV, LAT and their blend make one image, as in the fused tensor.
    """

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.code = nn.Identity()
        self.bones = CodeBoneHead(depth, width)

    def forward(self, encoder: nn.Module, views: Tensor) -> TrunkBones:
        """Read DV and LAT [n, 2, side, side] in [0, 1]."""
        grid = trunk_grid(views)
        windows = levelled(sample(views.reshape(-1, 1, *views.shape[2:]), grid)).reshape(-1, 2, *grid.shape[1:3])
        blend = DV_WEIGHT * windows[:, :1] + (1 - DV_WEIGHT) * windows[:, 1:]
        bones: Tensor = self.bones(self.code(encoder(torch.cat([windows, blend], dim=1))))
        return TrunkBones(bones.reshape(-1, 2, bones.shape[1] // 2, *bones.shape[2:]), cells(grid))


def _halved(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]


def _dense_head(inputs: int, size: AutoencoderSize) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, size.dense),
        nn.ReLU(),
        nn.Dropout(size.dropout),
        nn.Linear(size.dense, size.dense),
        nn.ReLU(),
        nn.Dropout(size.dropout),
    )
