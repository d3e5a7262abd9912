"""Figures on held-out specimens: AUC per label and per centre, the errors at the thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from services.common.labels import LABEL_ORDER, LEVEL2

Numbers = NDArray[np.float64]
Labels = NDArray[np.uint8]

_RESAMPLES: Final = 1000
_INTERVAL: Final = (2.5, 97.5)
_LEVEL2_COLUMNS: Final = slice(1, 1 + len(LEVEL2))
_LEVEL3_COLUMNS: Final = slice(1 + len(LEVEL2), len(LABEL_ORDER))


class LabelFigures(BaseModel):
    """One label on the test specimens.

    `auc` is over all specimens for level 1 and over the abnormal ones for levels 2 and 3, as in the paper;
    `auc_all` is over all specimens, of the probability that is served. None where one class is missing.
    """

    label: str
    positives: int
    auc: float | None
    auc_all: float | None
    sensitivity: float | None
    specificity: float | None
    threshold: float


class Figures(BaseModel):
    """One backbone on the test specimens; `level1_interval` is a 95 % bootstrap interval over specimens."""

    specimens: int
    abnormal: int
    level1_auc: float
    level1_interval: tuple[float, float]
    level2_mean_auc: float
    level3_mean_auc: float
    labels: list[LabelFigures]
    level1_auc_by_centre: dict[str, float | None]


def figures(
    given_abnormal: Numbers, served: Numbers, labels: Labels, centres: Sequence[str], thresholds: Sequence[float]
) -> Figures:
    """Compute the figures of one backbone.

    All arrays are [n, 14] in the order of `LABEL_ORDER`: probabilities (levels 2 and 3 given abnormal),
    probabilities as served, and the truth.
    """
    abnormal = labels[:, 0] == 1
    each = [
        LabelFigures(
            label=label,
            positives=int(labels[:, column].sum()),
            auc=auc(labels[:, 0], served[:, 0])
            if column == 0
            else auc(labels[abnormal, column], given_abnormal[abnormal, column]),
            auc_all=auc(labels[:, column], served[:, column]),
            **_errors(served[:, column] >= thresholds[column], labels[:, column]),
            threshold=thresholds[column],
        )
        for column, label in enumerate(LABEL_ORDER)
    ]
    centre = np.array(centres)
    return Figures(
        specimens=len(labels),
        abnormal=int(abnormal.sum()),
        level1_auc=_known(each[0].auc),
        level1_interval=_interval(labels[:, 0], served[:, 0]),
        level2_mean_auc=_mean(each[_LEVEL2_COLUMNS]),
        level3_mean_auc=_mean(each[_LEVEL3_COLUMNS]),
        labels=each,
        level1_auc_by_centre={
            name: auc(labels[centre == name, 0], served[centre == name, 0]) for name in sorted(set(centres))
        },
    )


def auc(truth: Labels, scores: Numbers) -> float | None:
    """Area under the ROC curve (Mann-Whitney U, ties count half), or None if a class is missing."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    wins = ranks[truth == 1].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def _errors(called: NDArray[np.bool_], truth: Labels) -> dict[str, float | None]:
    positive, negative = truth == 1, truth == 0
    return {
        "sensitivity": float(called[positive].mean()) if positive.any() else None,
        "specificity": float((~called[negative]).mean()) if negative.any() else None,
    }


def _mean(labels: Sequence[LabelFigures]) -> float:
    known = [item.auc for item in labels if item.auc is not None]
    return float(np.mean(known)) if known else float("nan")


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _interval(truth: Labels, scores: Numbers) -> tuple[float, float]:
    random = np.random.default_rng(0)
    drawn = [random.integers(0, len(truth), len(truth)) for _ in range(_RESAMPLES)]
    values = [value for rows in drawn if (value := auc(truth[rows], scores[rows])) is not None]
    if not values:
        return float("nan"), float("nan")
    low, high = np.percentile(values, _INTERVAL)
    return float(low), float(high)
