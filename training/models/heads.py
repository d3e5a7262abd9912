"""The heads of the ConvNeXt-driven backbone for the three levels (paper section 4, "Hierarchical classification")."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from services.common.labels import LEVEL2, LEVEL3

HIDDEN: Final = 32
"""Width of h1, the vector behind level 1, and of what level 2 hands to level 3."""
GRID: Final = (2, 4, 4)
"""The paper reshapes a 32-vector before a convolution; decision: 4x4 with 2 channels."""


class GridHead(nn.Module):
    """A 32-vector as a 4x4x2 grid: convolution, max-pool, three dense layers; returns logits and the last vector."""

    def __init__(self, outputs: int, grid_channels: int, dense: int) -> None:
        super().__init__()
        self.grid = nn.Sequential(
            nn.Unflatten(1, GRID),
            nn.Conv2d(GRID[0], grid_channels, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.dense = nn.Sequential(
            nn.Linear(grid_channels * 4, dense),
            nn.ReLU(),
            nn.Linear(dense, dense),
            nn.ReLU(),
            nn.Linear(dense, HIDDEN),
            nn.ReLU(),
        )
        self.output = nn.Linear(HIDDEN, outputs)

    def forward(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """[n, 32] to logits [n, outputs] and the penultimate vector [n, 32]."""
        penultimate = self.dense(self.grid(vector))
        return self.output(penultimate), penultimate


class HierarchicalHeads(nn.Module):
    """Pooled features [n, features] to the 14 logits [n, 14] in the order of `LABEL_ORDER`.

    Level 1 reads h1, level 2 reads h1 as a grid, level 3 reads level 2's penultimate vector as a grid.
    """

    def __init__(self, features: int, grid_channels: int, dense: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(features, HIDDEN), nn.ReLU())
        self.level1 = nn.Linear(HIDDEN, 1)
        self.level2 = GridHead(len(LEVEL2), grid_channels, dense)
        self.level3 = GridHead(len(LEVEL3), grid_channels, dense)

    def forward(self, features: Tensor) -> Tensor:
        """Compute the logits."""
        hidden = self.hidden(features)
        level2, penultimate = self.level2(hidden)
        level3, _ = self.level3(penultimate)
        return torch.cat([self.level1(hidden), level2, level3], dim=1)
