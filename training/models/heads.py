"""Heads for the three levels with consistent probabilities, and heads that find bones in feature maps.

The probabilities are computed inside the served graph (paper section 4, "Hierarchical classification"):

    P(level 2)  = P(abnormal) * P(level 2 | abnormal)
    P(level 3)  = min(P(abnormal) * P(level 3 | abnormal), max over its possible parents of P(level 2))

No label is therefore more probable than the specimen being abnormal, and no kind of abnormality more probable than the
most probable body part that can have it.

Bone heads find bones and altered bones; their output gives evidence for each label.
"""

from itertools import chain
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from services.common.labels import LEVEL2, LEVEL3, PARENTS
from training.models.front_end import MAP_CHANNELS
from training.simulation.bone_truth import CHANNELS, REGIONS

_SMALLEST_VARIANCE: Final = 1e-6
"""Keeps the gradient of the square root finite on a blank image."""


def mean_and_deviation(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the pixels of [n, channels, h, w], each float32 [n, channels]."""
    maps = maps.float()
    mean = maps.mean(dim=(2, 3))
    variance = (maps * maps).mean(dim=(2, 3)) - mean * mean
    return mean, (variance.clamp(min=0) + _SMALLEST_VARIANCE).sqrt()


class HeadOutputs(NamedTuple):
    """Probabilities of level 1 [n, 1], level 2 [n, 3] and level 3 [n, 10], each float32 in [0, 1]."""

    level1: Tensor
    level2: Tensor
    level3: Tensor


def coherent_probabilities(logits: Tensor) -> HeadOutputs:
    """Turn logits [n, 14] (levels 2 and 3 given abnormal) into probabilities that are consistent with the hierarchy."""
    given = torch.sigmoid(logits)
    level1 = given[:, :1]
    level2 = level1 * given[:, 1 : 1 + len(LEVEL2)]
    level3 = level1 * given[:, 1 + len(LEVEL2) :]
    limits = torch.cat([_largest_parent(level2, label) for label in LEVEL3], dim=1)
    return HeadOutputs(level1, level2, torch.minimum(level3, limits))


def _largest_parent(level2: Tensor, label: str) -> Tensor:
    columns = torch.tensor_split(level2, len(LEVEL2), dim=1)
    return torch.cat([columns[LEVEL2.index(parent)] for parent in PARENTS[label]], dim=1).amax(dim=1, keepdim=True)


HIDDEN: Final = 32
"""Width of h1, the vector before level 1, and of the vector that level 2 passes to level 3."""
GRID: Final = (2, 4, 4)
"""The paper reshapes a 32-vector before a convolution. Decision: 2 channels of 4x4."""


class GridHead(nn.Module):
    """Reads a 32-vector as a 4x4x2 grid: convolution, max-pool, three dense layers and an output layer."""

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
        """Compute the logits [n, 14]."""
        hidden = self.hidden(features)
        level2, penultimate = self.level2(hidden)
        level3, _ = self.level3(penultimate)
        return torch.cat([self.level1(hidden), level2, level3], dim=1)


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
