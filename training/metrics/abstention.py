"""What is gained by leaving the least certain specimens to a person."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from training.evaluation.predictions import Labels, Numbers
from training.metrics.ranking import auc_or_nan

SHARES: Final = tuple(round(0.05 * step, 2) for step in range(2, 21))
"""Shares of specimens that are called: 0.10, 0.15 ... 1."""

FEWEST_OF_A_CLASS: Final = 5
"""Below this a single specimen moves the AUC by a fifth or more."""


@dataclass(frozen=True)
class AbstentionPoint:
    """Accuracy and AUC of the share of specimens that is called; `auc` is nan where too few of a class are left."""

    share: float
    accuracy: float
    auc: float


def abstention(truth: Labels, probabilities: Numbers, threshold: float) -> list[AbstentionPoint]:
    """Call the specimens farthest from the threshold first; truth and probabilities are [n], n > 0."""
    order = np.argsort(-np.abs(probabilities - threshold), kind="stable")
    right = (probabilities >= threshold) == (truth == 1)
    points = []
    for share in SHARES:
        called = order[: max(1, round(share * len(order)))]
        accuracy = float(right[called].mean())
        points.append(AbstentionPoint(share, accuracy, _auc(truth[called], probabilities[called])))
    return points


def _auc(truth: Labels, probabilities: Numbers) -> float:
    smaller = np.bincount(truth, minlength=2).min()
    return auc_or_nan(truth, probabilities) if smaller >= FEWEST_OF_A_CLASS else math.nan
