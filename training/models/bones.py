"""Where bones and altered bones lie, read from each view's map, and the evidence for each label in that."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from training.data.bone_truth import CHANNELS, REGIONS
from training.models.front_end import MAP_CHANNELS

EVIDENCE: Final = 4 * (len(CHANNELS) - len(REGIONS))
"""Numbers that `evidence` returns a specimen."""
_RARE: Final = -4.0
"""Logit a cell starts from: few cells show any one bone, and a start at a half costs epochs."""
_STRONGEST: Final = 98
"""Of so many cells, one is counted among the strongest: eight of 28x28."""


class BoneHead(nn.Module):
    """Map of one view [n, 240, h, w] to logits [n, channels, h, w] in the order of `CHANNELS`; both views share it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, len(CHANNELS), kernel_size=1)
        nn.init.constant_(last.bias, _RARE)  # type: ignore[arg-type]
        self.layers = nn.Sequential(
            nn.Conv2d(MAP_CHANNELS, width, kernel_size=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel_size=3, padding=1),
            nn.ReLU(),
            last,
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Compute the logits."""
        logits: Tensor = self.layers(maps)
        return logits


def evidence(bones: Tensor) -> Tensor:
    """Logits [n, 2, channels, h, w] to [n, EVIDENCE]: of each label in each view, its strongest cells and their sum.

    A small lesion is a few cells among hundreds; their mean over the picture would drown it.
    """
    altered = bones[:, :, len(REGIONS) :].flatten(3).float()
    strongest = altered.topk(max(altered.shape[3] // _STRONGEST, 1), dim=3).values.mean(dim=3)
    return torch.cat([strongest.flatten(1), torch.logsumexp(altered, dim=3).flatten(1)], dim=1)
