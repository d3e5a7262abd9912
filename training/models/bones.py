"""Heads that find bones and altered bones in feature maps, and the evidence for each label in their output."""

from itertools import chain
from typing import Final

import torch
from torch import Tensor, nn

from training.datasets.bone_truth import CHANNELS, REGIONS
from training.models.front_end import MAP_CHANNELS

EVIDENCE: Final = 4 * (len(CHANNELS) - len(REGIONS))
"""Numbers that `evidence` returns per specimen."""
_RARE: Final = -4.0
"""Initial logit of a cell: few cells show any given bone, and starting at one half costs epochs."""
_DILATIONS: Final = (1, 2, 4, 8, 1)
_STRONGEST: Final = 98
"""One cell in this many counts as one of the strongest: 8 of 28x28, 6 of the trunk's 38x17."""


class BoneHead(nn.Sequential):
    """Map of one view [n, 240, h, w] to logits [n, channels, h, w] in the order of `CHANNELS`; shared by both views.

    Dilated convolutions (Yu and Koltun, ICLR 2016, arXiv:1511.07122) add each cell's surroundings: which vertebra it
    is, and what its neighbours look like.
    """

    def __init__(self, width: int) -> None:
        context = (_Context(width, dilation) for dilation in _DILATIONS)
        super().__init__(*_convolution(MAP_CHANNELS, width), *context, _last(width, len(CHANNELS)))


class CodeBoneHead(nn.Sequential):
    """An autoencoder's code [n, depth, 2h, 2w] to logits [n, 2 * channels, h, w]; one code holds both views."""

    def __init__(self, depth: int, width: int) -> None:
        context = (_Context(width, dilation) for dilation in _DILATIONS)
        fine = _convolution(depth, width), [_Context(width, 1), nn.MaxPool2d(2)]
        super().__init__(*chain(*fine), *context, _last(width, 2 * len(CHANNELS)))


class _Context(nn.Module):
    """Adds to each cell the result of a dilated 3x3 convolution around it."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_convolution(width, width, kernel=3, dilation=dilation))

    def forward(self, maps: Tensor) -> Tensor:
        """[n, width, h, w] to the same shape."""
        seen: Tensor = self.layers(maps)
        return maps + seen


def _convolution(inputs: int, outputs: int, *, kernel: int = 1, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def _last(width: int, outputs: int) -> nn.Conv2d:
    last = nn.Conv2d(width, outputs, kernel_size=1)
    if last.bias is not None:
        nn.init.constant_(last.bias, _RARE)
    return last


def evidence(bones: Tensor) -> Tensor:
    """Turn logits [n, 2, channels, h, w] into [n, EVIDENCE], float32.

    For each label and kind of abnormality in each view, these are the mean of its strongest cells and the log of the
    sum of all exponentials. A small lesion covers a few cells among hundreds; a mean over the image would hide it.
    """
    altered = bones[:, :, len(REGIONS) :].flatten(3).float()
    strongest = altered.topk(max(altered.shape[3] // _STRONGEST, 1), dim=3).values.mean(dim=3)
    return torch.cat([strongest.flatten(1), torch.logsumexp(altered, dim=3).flatten(1)], dim=1)
