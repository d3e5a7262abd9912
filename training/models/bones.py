"""Where bones and altered bones lie, read from feature maps, and the evidence for each label in that."""

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
_DILATIONS: Final = (1, 2, 4, 8)
_STRONGEST: Final = 98
"""Of so many cells, one is counted among the strongest: eight of 28x28."""


class BoneHead(nn.Sequential):
    """Map of one view [n, 240, h, w] to logits [n, channels, h, w] in the order of `CHANNELS`; both views share it."""

    def __init__(self, width: int) -> None:
        super().__init__(
            *_convolution(MAP_CHANNELS, width, kernel=1),
            *_convolution(width, width, kernel=3),
            _last(width, len(CHANNELS)),
        )


class CodeBoneHead(nn.Sequential):
    """An autoencoder's code [n, depth, 2h, 2w] to logits [n, 2 * channels, h, w]: both views lie in one code.

    The code sees ten pixels; dilated convolutions (Yu and Koltun, ICLR 2016, arXiv:1511.07122) add what lies around.
    """

    def __init__(self, depth: int, width: int) -> None:
        around = (layer for dilation in _DILATIONS for layer in _convolution(width, width, kernel=3, dilation=dilation))
        super().__init__(
            nn.AvgPool2d(2), *_convolution(depth, width, kernel=1), *around, _last(width, 2 * len(CHANNELS))
        )


def _convolution(inputs: int, outputs: int, *, kernel: int, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def _last(width: int, outputs: int) -> nn.Conv2d:
    last = nn.Conv2d(width, outputs, kernel_size=1)
    if last.bias is not None:
        nn.init.constant_(last.bias, _RARE)
    return last


def evidence(bones: Tensor) -> Tensor:
    """Logits [n, 2, channels, h, w] to [n, EVIDENCE]: of each label in each view, its strongest cells and their sum.

    A small lesion is a few cells among hundreds; their mean over the picture would drown it.
    """
    altered = bones[:, :, len(REGIONS) :].flatten(3).float()
    strongest = altered.topk(max(altered.shape[3] // _STRONGEST, 1), dim=3).values.mean(dim=3)
    return torch.cat([strongest.flatten(1), torch.logsumexp(altered, dim=3).flatten(1)], dim=1)
