"""The view network: four strided convolutions and two dense layers, about 100,000 weights."""

from typing import Final

import torch
from torch import Tensor, nn

from services.intake.orient import CLASSES, INPUT_SIDE

_CHANNELS: Final = (16, 32, 48, 64)
_REDUCED: Final = 12
_HIDDEN: Final = 64


class ViewNetwork(nn.Module):
    """Input uint8 [n, 1, 96, 96]; outputs logits `view` [n, 3], `up` [n, 1] and `mirrored` [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for channels in _CHANNELS:
            layers += [
                nn.Conv2d(before, channels, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            ]
            before = channels
        layers += [nn.Conv2d(before, _REDUCED, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2)]
        side = INPUT_SIDE // 2 ** len(_CHANNELS)
        self.features = nn.Sequential(*layers, nn.Linear(_REDUCED * side * side, _HIDDEN), nn.ReLU())
        self.heads = nn.Linear(_HIDDEN, len(CLASSES) + 2)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three groups of logits."""
        features = self.features(picture.to(torch.float32) / 255)
        view, up, mirrored = torch.split(self.heads(features), [len(CLASSES), 1, 1], dim=1)
        return view, up, mirrored
