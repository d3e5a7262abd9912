"""Probabilities that agree down the hierarchy, computed inside the served graph.

P(level 2)  = P(abnormal) * P(level 2 | abnormal)
P(level 3)  = min(P(abnormal) * P(level 3 | abnormal), max over its possible parents of P(level 2))

so no label is more probable than the specimen being abnormal, and no kind of abnormality more probable than the
most probable part that can have it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from services.common.labels import LEVEL2, LEVEL3, PARENTS


class Probabilities(NamedTuple):
    """Level 1 [n, 1], level 2 [n, 3] and level 3 [n, 10], each in [0, 1]."""

    level1: Tensor
    level2: Tensor
    level3: Tensor


def coherent(logits: Tensor) -> Probabilities:
    """Turn 14 logits (levels 2 and 3 given abnormal) into probabilities that agree down the hierarchy."""
    given = torch.sigmoid(logits)
    level1 = given[:, :1]
    level2 = level1 * given[:, 1 : 1 + len(LEVEL2)]
    level3 = level1 * given[:, 1 + len(LEVEL2) :]
    limits = torch.cat([_largest_parent(level2, label) for label in LEVEL3], dim=1)
    return Probabilities(level1, level2, torch.minimum(level3, limits))


def _largest_parent(level2: Tensor, label: str) -> Tensor:
    columns = torch.tensor_split(level2, len(LEVEL2), dim=1)
    return torch.cat([columns[LEVEL2.index(parent)] for parent in PARENTS[label]], dim=1).amax(dim=1, keepdim=True)
