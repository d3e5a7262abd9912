"""The backbone driven by a convolutional autoencoder (paper section 4, "CAE-driven")."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.common.labels import LEVEL2, LEVEL3
from training.models.bones import EVIDENCE, CodeBoneHead, evidence
from training.models.configuration import AutoencoderSize
from training.models.output import Output
from training.models.pooling import mean_and_deviation

_DARK: Final = -3.0
"""Logit the decoder starts from: most of a picture is black air, and a start at grey costs epochs."""


class AutoencoderDriven(nn.Module):
    """Encoder to a 56x56x128 code, mirrored decoder, and heads for the three levels on the pooled code."""

    def __init__(self, size: AutoencoderSize) -> None:
        super().__init__()
        first, code = size.widths
        self.encoder = nn.Sequential(*_halved(3, first), *_halved(first, code))
        last = nn.ConvTranspose2d(first, 3, kernel_size=2, stride=2)
        if last.bias is not None:
            nn.init.constant_(last.bias, _DARK)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(code, first, kernel_size=2, stride=2), nn.ReLU(), last, nn.Sigmoid()
        )
        self.grid = size.grid
        self.bones = CodeBoneHead(code, size.bone_width) if size.bone_width else None
        pooled = code * (size.grid**2 + 2) + (EVIDENCE if size.bone_width else 0)
        self.standardise = nn.Sequential(nn.BatchNorm1d(pooled, affine=False), nn.Dropout(size.dropout))
        self.level1 = nn.Linear(pooled, 1)
        self.level2 = _dense_head(pooled, size)
        self.level2_output = nn.Linear(size.dense, len(LEVEL2))
        self.level3 = _dense_head(size.dense, size)
        self.level3_output = nn.Linear(size.dense, len(LEVEL3))

    def classify(self, code: Tensor, bones: Tensor | None) -> Tensor:
        """Code [n, 128, 56, 56] and bone logits to the 14 logits."""
        means = functional.avg_pool2d(code, code.shape[-1] // self.grid).flatten(1)
        features = [means.float(), *mean_and_deviation(code)]
        if bones is not None:
            features.append(evidence(bones))
        pooled = self.standardise(torch.cat(features, dim=1))
        level2 = self.level2(pooled)
        level3 = self.level3(level2)
        return torch.cat([self.level1(pooled), self.level2_output(level2), self.level3_output(level3)], dim=1)

    def forward(self, image: Tensor) -> Output:
        """Compute logits, the rebuilt image and bone logits of [n, 3, side, side] images in [0, 1]."""
        code = self.encoder(image)
        bones = None if self.bones is None else self.bones(code).unflatten(1, (2, -1))
        return Output(self.classify(code, bones), self.decoder(code), bones)


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
