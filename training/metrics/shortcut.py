"""Checks of the model: consistency across levels, what the centre alone reveals, and loss at unseen centres."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.common.labels import LABEL_ORDER
from training.datasets.arrays import Mask
from training.metrics.decisions import calls, parent_columns
from training.metrics.predictions import Numbers, Predictions
from training.metrics.ranking import (
    LEVEL_COLUMNS,
    Counts,
    Estimate,
    auc_or_nan,
    auc_with_interval,
    percentile_interval,
    resample,
    resampled_auc,
)

TOLERANCE: Final = 1e-6
"""Allowed excess of a child over its parent: served probabilities are float32."""


@dataclass(frozen=True)
class Consistency:
    """Shares of specimens in 0..1.

    `probabilities`: no label is more probable than its most probable parent. `decisions`: no label reaches its
    threshold unless one of its parents does, so publishing drops nothing. `both`: both hold.
    `abnormal_without_label`: called abnormal with none of the thirteen labels.
    """

    probabilities: float
    decisions: float
    both: float
    abnormal_without_label: float


def consistency(served: Numbers, thresholds: Sequence[float]) -> Consistency:
    """Check served probabilities [n, 14] and the calls at the thresholds."""
    limits = np.stack([served[:, parent_columns(column)].max(axis=1) for column in range(1, len(LABEL_ORDER))], axis=1)
    probabilities = (served[:, 1:] <= limits + TOLERANCE).all(axis=1)
    published = calls(served, thresholds)
    decisions = (published == (served >= np.asarray(thresholds))).all(axis=1)
    without_label = published[:, 0] & ~published[:, 1:].any(axis=1)
    return Consistency(
        probabilities=float(probabilities.mean()),
        decisions=float(decisions.mean()),
        both=float((probabilities & decisions).mean()),
        abnormal_without_label=float(without_label.mean()),
    )


@dataclass(frozen=True)
class CentresAuc:
    """Mean AUC of levels 1, 2 and 3 on the specimens of the centres in training, or of the others."""

    name: str
    specimens: int
    levels: tuple[Estimate, ...]


def centre_alone(predictions: Predictions, column: int) -> Estimate:
    """AUC of a label predicted by its training prevalence at the specimen's centre; 0.5 reveals nothing.

    A centre that is not in training, or has no scored specimen there, gets the mean of the others. Nan if no centre has
    a prevalence.
    """
    prevalence = {name: values[column] for name, values in predictions.origin.training_prevalence.items()}
    known = [value for value in prevalence.values() if value is not None]
    scored = predictions.scored(column)
    if not known or not scored.any():
        return Estimate(math.nan, math.nan, math.nan)
    mean = float(np.mean(known))
    values = [prevalence.get(centre) for centre in predictions.centres]
    scores = np.array([mean if value is None else value for value in values])
    return auc_with_interval(predictions.labels[scored, column], scores[scored], resample(int(scored.sum())))


def seen_and_unseen(predictions: Predictions) -> list[CentresAuc]:
    """Two rows, or none if training has all centres of the test set or none of them."""
    names = predictions.origin.training_prevalence
    seen = np.array([centre in names for centre in predictions.centres])
    if seen.all() or not seen.any():
        return []
    return [_level_means(predictions, seen, "in training"), _level_means(predictions, ~seen, "not in training")]


def _level_means(predictions: Predictions, rows: Mask, name: str) -> CentresAuc:
    counts = resample(int(rows.sum()))
    levels = (_level_mean(predictions, rows, columns, counts) for columns in LEVEL_COLUMNS.values())
    return CentresAuc(name, int(rows.sum()), tuple(levels))


def _level_mean(predictions: Predictions, rows: Mask, columns: range, counts: Counts) -> Estimate:
    values: list[float] = []
    resampled: list[Numbers] = []
    for column in columns:
        scored = predictions.scored(column)[rows]
        truth, scores = predictions.labels[rows, column][scored], predictions.scores(column)[rows][scored]
        values.append(auc_or_nan(truth, scores))
        resampled.append(resampled_auc(truth, scores, counts[:, scored]))
    return percentile_interval(float(np.mean(values)), np.mean(resampled, axis=0))
