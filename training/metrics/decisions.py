"""Calls at the thresholds, and whether probabilities can be trusted.

Calls: their errors, confusion of level-3 labels, and abstention on uncertain specimens. Calibration: whether the labels
given a probability of 0.7 are positive seven times in ten.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.labels import LABEL_ORDER, parents_of
from training.datasets.arrays import Labels, Mask
from training.metrics.predictions import Numbers
from training.metrics.ranking import LEVEL_COLUMNS, Estimate, auc_or_nan, proportion


@dataclass(frozen=True)
class Confusion:
    """Which level-3 labels are called on specimens that have exactly one; rows are the true labels of `LEVEL3`.

    `shares` [10, 11] is the share of a row's specimens that received the column's label; the last column is none of
    the labels. A specimen can receive several labels, so a row may sum to more than 1. A row without specimens is nan.
    `specimens` [10] is their number.
    """

    shares: Numbers
    specimens: NDArray[np.int64]


def confusion(called: Mask, labels: Labels, scored: Mask) -> Confusion:
    """Compare calls [n, 14] with labels [n, 14] on the specimens of `scored` [n], whose level-3 labels are all known.

    Specimens with two labels are left out: for them a second label is not an error.
    """
    columns = list(LEVEL_COLUMNS[3])
    truth, received = labels[scored][:, columns] == 1, called[scored][:, columns]
    outcome = np.column_stack([received, ~received.any(axis=1)])
    single = truth.sum(axis=1) == 1
    rows = [outcome[single & truth[:, index]] for index in range(len(columns))]
    shares = [row.mean(axis=0) if len(row) else np.full(outcome.shape[1], np.nan) for row in rows]
    return Confusion(np.array(shares), np.array([len(row) for row in rows], dtype=np.int64))


SHARES: Final = tuple(round(0.05 * step, 2) for step in range(2, 21))
"""Shares of specimens that are called: 0.10, 0.15 ... 1."""

FEWEST_OF_A_CLASS: Final = 5
"""With fewer, a single specimen moves the AUC by a fifth or more."""


@dataclass(frozen=True)
class AbstentionPoint:
    """Accuracy and AUC of the share of specimens that is called; `auc` is nan if too few of a class remain."""

    share: float
    accuracy: float
    auc: float


def abstention(truth: Labels, probabilities: Numbers, threshold: float) -> list[AbstentionPoint]:
    """Call the specimens farthest from the threshold first; truth and probabilities are [n], n > 0."""
    order = np.argsort(-np.abs(probabilities - threshold), kind="stable")
    correct = (probabilities >= threshold) == (truth == 1)
    points = []
    for share in SHARES:
        called = order[: max(1, round(share * len(order)))]
        accuracy = float(correct[called].mean())
        points.append(AbstentionPoint(share, accuracy, _auc(truth[called], probabilities[called])))
    return points


def _auc(truth: Labels, probabilities: Numbers) -> float:
    smaller = np.bincount(truth, minlength=2).min()
    return auc_or_nan(truth, probabilities) if smaller >= FEWEST_OF_A_CLASS else math.nan


@dataclass(frozen=True)
class Errors:
    """Share of positives that are called and share of negatives that are not, each with Wilson's interval."""

    sensitivity: Estimate
    specificity: Estimate


def parent_columns(column: int) -> tuple[int, ...]:
    """Columns of a label's parents, at least one of which must be called with it; empty for level 1."""
    return tuple(LABEL_ORDER.index(name) for name in parents_of(LABEL_ORDER[column]))


def calls(served: Numbers, thresholds: Sequence[float]) -> Mask:
    """Calls [n, 14] as published: at or above the threshold, and a child only together with one of its parents."""
    called: Mask = served >= np.asarray(thresholds)
    for column in range(1, len(LABEL_ORDER)):
        called[:, column] &= called[:, parent_columns(column)].any(axis=1)
    return called


def errors(called: Mask, truth: Labels) -> Errors:
    """Compare calls with truth, both [n]."""
    positive, negative = called[truth == 1], called[truth == 0]
    return Errors(
        sensitivity=proportion(int(positive.sum()), len(positive)),
        specificity=proportion(int((~negative).sum()), len(negative)),
    )


BINS: Final = 10


@dataclass(frozen=True)
class ReliabilityPoint:
    """One bin: mean probability, share of positives with Wilson's interval, number of specimens."""

    probability: float
    positives: Estimate
    specimens: int


def reliability(truth: Labels, probabilities: Numbers, bins: int = BINS) -> list[ReliabilityPoint]:
    """Bins with equal numbers of specimens, by rising probability, of truth and probabilities [n]; fewer if n < bins.

    Bins of equal width would be nearly empty at probabilities that a rare label never reaches (Nguyen and O'Connor,
    2015).
    """
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, len(order))) if len(order) else []
    return [
        ReliabilityPoint(
            probability=float(probabilities[part].mean()),
            positives=proportion(int(truth[part].sum()), len(part)),
            specimens=len(part),
        )
        for part in parts
    ]


def expected_calibration_error(truth: Labels, probabilities: Numbers, bins: int = BINS) -> float:
    """Mean distance in 0..1 between probability and share of positives over the bins; nan without specimens."""
    points = reliability(truth, probabilities, bins)
    total = sum(point.specimens for point in points)
    if not total:
        return math.nan
    return sum(point.specimens * abs(point.probability - point.positives.value) for point in points) / total
