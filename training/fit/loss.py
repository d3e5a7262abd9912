"""The loss of all levels at once.

Decision: the paper trains level after level and freezes what came before; here one loss trains all, because behind
frozen level-1 features (32 numbers chosen to tell abnormal from normal) levels 2 and 3 cannot see what differs
among the abnormal.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.data.bone_truth import REGIONS
from training.models.output import Output
from training.models.trunk import sample

WEIGHT_LIMITS: Final = (0.2, 8.0)
"""Of a label's positive class: beyond these a handful of specimens would steer the training."""


REGION_WEIGHT: Final = 4.0
ALTERED_WEIGHT: Final = 40.0
"""Of the bone truth's regions and of its altered bones, which cover few cells, beside the labels' loss."""
_ALTERED_CELL: Final = 4.0
"""Weight of a cell that shows an altered bone against one that does not."""
_COVERED: Final = 10
"""Of 255: a bone that covers less of a cell cannot be seen in it."""


class HierarchicalLoss(nn.Module):
    """Binary cross-entropy (level 1: all specimens, levels 2 and 3: abnormal ones), and of what a backbone adds.

    That is the rebuilt image's error, and cross-entropy of where bones and altered bones lie. In levels 2 and 3 each
    label's positives and negatives weigh the same (within `WEIGHT_LIMITS`), after the counts in the training labels
    (uint8 [n, 14]).
    """

    positive_weight: Tensor

    def __init__(self, labels: NDArray[np.uint8], reconstruction_weight: float) -> None:
        super().__init__()
        abnormal = labels[labels[:, 0] == 1, 1:].astype(np.float64)
        positives = abnormal.sum(axis=0)
        weight = np.clip((len(abnormal) - positives) / np.maximum(positives, 1), *WEIGHT_LIMITS)
        self.register_buffer("positive_weight", torch.tensor(weight, dtype=torch.float32))
        self.reconstruction_weight = reconstruction_weight

    def forward(self, output: Output, labels: Tensor, image: Tensor, bones: Tensor | None) -> Tensor:
        """Compute the loss of a batch.

        Labels float [n, 14], image [n, 3, side, side] in [0, 1], bones uint8 [n, 2, channels, 56, 56] or None.
        """
        logits, abnormal = output.logits.float(), labels[:, :1]
        loss = functional.binary_cross_entropy_with_logits(logits[:, :1], abnormal)
        each = functional.binary_cross_entropy_with_logits(
            logits[:, 1:], labels[:, 1:], pos_weight=self.positive_weight, reduction="none"
        )
        loss = loss + (each * abnormal).sum() / (abnormal.sum().clamp(min=1) * each.shape[1])
        if output.reconstruction is not None:
            error = functional.mse_loss(output.reconstruction.float(), image)
            loss = loss + self.reconstruction_weight * error
        if bones is not None:
            loss = loss + _bone_losses(output, bones)
        return loss


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
