"""Level-1 AUC within centres and within ranges of severity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.evaluation.predictions import Mask, Numbers, Predictions
from training.metrics.estimate import Estimate
from training.metrics.ranking import auc_with_interval, resample

SEVERITY_BINS: Final = 4


@dataclass(frozen=True)
class GroupAuc:
    """Level-1 AUC of some specimens with its bootstrap interval; `seen` is None where it makes no sense."""

    name: str
    auc: Estimate
    specimens: int
    abnormal: int
    seen: bool | None = None


def by_centre(predictions: Predictions) -> list[GroupAuc]:
    """Each centre's own specimens, by name; `seen` says whether the training set had the centre."""
    centres = np.array(predictions.centres)
    seen = predictions.origin.training_prevalence
    return [
        level1_group(predictions, str(name), (centres == name) & predictions.known[:, 0], seen=name in seen)
        for name in np.unique(centres)
    ]


def by_severity(predictions: Predictions, bins: int = SEVERITY_BINS) -> list[GroupAuc]:
    """Abnormal specimens in ranges of equal number by rising severity, each against all normal specimens.

    Empty when no abnormal specimen's severity is known.
    """
    abnormal = predictions.abnormal & ~np.isnan(predictions.severity)
    normal = predictions.known[:, 0] & ~predictions.abnormal
    rows = np.flatnonzero(abnormal)
    order = rows[np.argsort(predictions.severity[rows], kind="stable")]
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [level1_group(predictions, _range(predictions.severity[part]), _with(normal, part)) for part in parts]


def level1_group(predictions: Predictions, name: str, rows: Mask, *, seen: bool | None = None) -> GroupAuc:
    """Level-1 AUC among the chosen specimens [n]."""
    truth, scores = predictions.labels[rows, 0], predictions.served[rows, 0]
    estimate = auc_with_interval(truth, scores, resample(max(1, len(truth)))[:, : len(truth)])
    return GroupAuc(name, estimate, len(truth), int((truth == 1).sum()), seen)


def _with(mask: Mask, rows: NDArray[np.intp]) -> Mask:
    joined = mask.copy()
    joined[rows] = True
    return joined


def _range(values: Numbers) -> str:
    return f"{values.min():.2f} to {values.max():.2f}"
