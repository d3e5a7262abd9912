"""Whether calls and probabilities agree down the hierarchy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.common.labels import LABEL_ORDER
from training.evaluation.predictions import Numbers
from training.metrics.decisions import calls, parent_columns

TOLERANCE: Final = 1e-6
"""Served probabilities are float32."""


@dataclass(frozen=True)
class Consistency:
    """Shares of specimens in 0..1.

    `probabilities`: no label is more probable than its most probable parent. `decisions`: no label reaches its
    threshold without one of its parents, so that publishing dropped nothing. `both`: the two together.
    `abnormal_without_label`: called abnormal with none of the thirteen labels.
    """

    probabilities: float
    decisions: float
    both: float
    abnormal_without_label: float


def consistency(served: Numbers, thresholds: Sequence[float]) -> Consistency:
    """Judge served probabilities [n, 14] and the calls at the thresholds."""
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
