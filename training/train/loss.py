"""The loss of all levels, and of what else a backbone learns.

Decision: the paper trains level after level and freezes what came before; here one loss trains all, because behind
frozen level-1 features (32 numbers chosen to tell abnormal from normal) levels 2 and 3 cannot see what differs
among the abnormal (`training.experiments.variants` compares the two).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from services.common.labels import LEVEL2, LEVEL3
from training.datasets.bone_truth import REGIONS
from training.datasets.missing import MISSING, known
from training.models.output import Output
from training.models.trunk import sample
from training.train.rules import LEVELS, RULES, TrainingRules, losses

REGION_WEIGHT: Final = 4.0
ALTERED_WEIGHT: Final = 40.0
"""Of the bone truth's regions and of its altered bones, which cover few cells, beside the labels' loss."""
_ALTERED_CELL: Final = 4.0
"""Weight of a cell that shows an altered bone against one that does not."""
_COVERED: Final = 10
"""Of 255: a bone that covers less of a cell cannot be seen in it."""


class HierarchicalLoss(nn.Module):
    """Cross-entropy of all labels, levels 2 and 3 by `rules`, and of what a backbone adds.

    That is the rebuilt image's error, and cross-entropy of where bones and altered bones lie. How frequent a label is
    comes from the training labels (uint8 [n, 14]). Missing labels, and those of other than the `levels`, count nothing.
    """

    positives: Tensor
    counted: Tensor

    def __init__(
        self,
        labels: NDArray[np.uint8],
        reconstruction_weight: float,
        rules: TrainingRules = RULES,
        levels: Sequence[int] = LEVELS,
    ) -> None:
        super().__init__()
        learnt = labels[labels[:, 0] == 1, 1:] if rules.conditional else labels[:, 1:]
        share = (learnt == 1).sum(axis=0) / np.maximum(known(learnt).sum(axis=0), 1)
        self.register_buffer("positives", torch.tensor(share, dtype=torch.float32))
        counted = [1 in levels, *[2 in levels] * len(LEVEL2), *[3 in levels] * len(LEVEL3)]
        self.register_buffer("counted", torch.tensor(counted))
        self.reconstruction_weight = reconstruction_weight
        self.rules = rules

    def forward(self, output: Output, labels: Tensor, image: Tensor, bones: Tensor | None) -> Tensor:
        """Compute the loss of a batch.

        Labels float [n, 14] of 0, 1 and `MISSING`, image [n, 3, side, side] in [0, 1], bones uint8 [n, 2, channels, 56,
        56] or None.
        """
        logits, counted = output.logits.float(), (labels != MISSING) & self.counted
        truth = labels * (labels != MISSING)
        level1 = functional.binary_cross_entropy_with_logits(logits[:, :1], truth[:, :1], reduction="none")
        below = losses(logits[:, 1:], truth[:, 1:], self.positives, self.rules.balance)
        teaches = truth[:, :1] == 1 if self.rules.conditional else torch.ones_like(truth[:, :1], dtype=torch.bool)
        loss = _mean(level1, counted[:, :1]) + _mean(below, counted[:, 1:] & teaches)
        if output.reconstruction is not None:
            error = functional.mse_loss(output.reconstruction.float(), image)
            loss = loss + self.reconstruction_weight * error
        if bones is not None:
            loss = loss + _bone_losses(output, bones)
        return loss


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return (values * counted).sum() / counted.sum().clamp(min=1)


def _bone_losses(output: Output, bones: Tensor) -> Tensor:
    loss = output.logits.new_zeros(())
    if output.bones is not None:
        cells = functional.interpolate(bones.flatten(1, 2).float(), size=output.bones.shape[-2:], mode="area")
        loss = loss + _bone_loss(output.bones.float(), cells)
    if output.trunk is not None:
        cells = sample(bones.flatten(0, 1).float(), output.trunk.places.float())
        loss = loss + _bone_loss(output.trunk.bones.float(), cells)
    return loss


def _bone_loss(logits: Tensor, cells: Tensor) -> Tensor:
    truth = (cells > _COVERED).float().reshape(logits.shape)
    regions, altered = len(REGIONS), logits.new_tensor(_ALTERED_CELL)
    of_regions = functional.binary_cross_entropy_with_logits(logits[:, :, :regions], truth[:, :, :regions])
    of_altered = functional.binary_cross_entropy_with_logits(
        logits[:, :, regions:], truth[:, :, regions:], pos_weight=altered
    )
    return REGION_WEIGHT * of_regions + ALTERED_WEIGHT * of_altered
