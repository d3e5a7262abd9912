"""From maps of single pictures to cells: ConvNeXt stages with shared weights for every view, whole and enlarged.

Blocks: Liu et al., A ConvNet for the 2020s, CVPR 2022 (arXiv:2201.03545), from timm. The second stage works at half the
resolution, so that a cell knows its position in the whole animal, and is added back to the first
(Lin et al., Feature Pyramid Networks, CVPR 2017, arXiv:1612.03144).
"""

from typing import Any, Final

import torch
from timm.layers import LayerNorm2d
from timm.models.convnext import ConvNeXtBlock
from torch import Tensor, nn
from torch.nn import functional

VIEWS: Final = 2
"""DV and LAT: the rows of a batch of pictures alternate between them."""


class CellReader(nn.Module):
    """Maps [2n, inputs, h, w] of the views of n specimens to cells [2n, width, h, w]; h and w are even."""

    def __init__(self, inputs: int, width: int, fine_blocks: int, coarse_blocks: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Conv2d(inputs, width, kernel_size=1, bias=False), LayerNorm2d(width))
        self.fine = _blocks(width, fine_blocks)
        self.down = nn.Sequential(LayerNorm2d(width), nn.Conv2d(width, 2 * width, kernel_size=2, stride=2))
        self.coarse = _blocks(2 * width, coarse_blocks)
        self.up = nn.Conv2d(2 * width, width, kernel_size=1)
        self.last = LayerNorm2d(width)

    def forward(self, maps: Tensor, kind: Tensor) -> Tensor:
        """Read maps; `kind` [2, width, 1 or h, 1 or w] tells the network which view and window it reads."""
        projected: Tensor = self.project(maps)
        known = projected.unflatten(0, (-1, VIEWS)) + kind
        fine: Tensor = self.fine(known.flatten(0, 1))
        context = self.up(self.coarse(self.down(fine)))
        cells: Tensor = self.last(fine + functional.interpolate(context, scale_factor=2.0, mode="nearest"))
        return cells


def _blocks(width: int, count: int) -> nn.Sequential:
    # Layer scale starts near zero to train for hundreds of epochs; from scratch in a few it would only slow training.
    return nn.Sequential(*(ConvNeXtBlock(width, ls_init_value=None) for _ in range(count)))


def kind_of_picture(width: int, cells: tuple[int, int] = (1, 1)) -> nn.Parameter:
    """Return a learnt description of each view [2, width, h, w], small at first."""
    start: Any = torch.randn(VIEWS, width, *cells) * 0.02
    return nn.Parameter(start)
