"""How the labels of levels 2 and 3 learn: from which specimens, and what holds up the rare ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor
from torch.nn import functional

Balance = Literal["none", "weights", "asymmetric", "adjusted"]
"""What is done for rare labels.

`weights`: positives weigh by inverse frequency. `asymmetric`: easy negatives are turned down (Ridnik et al., Asymmetric
Loss For Multi-Label Classification, ICCV 2021, arXiv:2009.14119). `adjusted`: each logit is learnt against the label's
prior odds (Menon et al., Long-tail learning via logit adjustment, ICLR 2021, arXiv:2007.07314).
"""
WEIGHT_LIMITS: Final = (0.2, 8.0)
"""Of a label's positive class: beyond these a handful of specimens would steer the training."""
_NEGATIVE_FOCUS: Final = 4
_MARGIN: Final = 0.05
"""Of the asymmetric loss: its focusing of negatives and the probability below which they count nothing (section 3)."""


LEVELS: Final = (1, 2, 3)


@dataclass(frozen=True)
class TrainingRules:
    """How levels are taught.

    `conditional`: a specimen that is normal teaches levels 2 and 3 nothing, as in the paper's evaluation. `together`:
    all levels at once; else one after the other, each on what the ones before have learnt, frozen (the paper's way),
    which heads alone can do (`training.train.heads`).
    """

    conditional: bool = True
    balance: Balance = "weights"
    together: bool = True


RULES: Final = TrainingRules()
"""Of all that is served."""


def losses(logits: Tensor, labels: Tensor, positives: Tensor, balance: Balance) -> Tensor:
    """Loss [n, labels] of each logit; `positives` [labels] is the share of each label among what it learns from."""
    if balance == "asymmetric":
        return _asymmetric(logits, labels)
    if balance == "adjusted":
        logits = logits + torch.logit(positives, eps=1e-3)
    weight = ((1 - positives) / positives.clamp(min=1e-6)).clamp(*WEIGHT_LIMITS) if balance == "weights" else None
    return functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=weight, reduction="none")


def _asymmetric(logits: Tensor, labels: Tensor) -> Tensor:
    probability = torch.sigmoid(logits)
    shifted = (probability - _MARGIN).clamp(min=0)
    of_negatives = -(shifted**_NEGATIVE_FOCUS) * torch.log1p(-shifted.clamp(max=1 - 1e-6))
    return torch.where(labels > 0, -functional.logsigmoid(logits), of_negatives)
