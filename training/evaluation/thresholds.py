"""One threshold a label, chosen on validation specimens."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.labels import LABEL_ORDER
from training.datasets.missing import known

DEFAULT: Final = 0.5
"""Of a label that no validation specimen has, or all have."""


def choose_thresholds(probabilities: NDArray[np.float64], labels: NDArray[np.uint8]) -> tuple[float, ...]:
    """Return 14 thresholds for probabilities and labels [n, 14], each with the largest Matthews correlation.

    Each is chosen on the specimens whose label is known. That coefficient weighs both kinds of error under any
    prevalence (Chicco and Jurman, BMC Genomics 2020, 21:6).
    """
    columns = [(column, known(labels[:, column])) for column in range(len(LABEL_ORDER))]
    return tuple(_best(probabilities[rows, column], labels[rows, column]) for column, rows in columns)


def _best(scores: NDArray[np.float64], truth: NDArray[np.uint8]) -> float:
    if not len(truth) or truth.min() == truth.max():
        return DEFAULT
    values = np.unique(scores)
    candidates = (values[1:] + values[:-1]) / 2
    if not len(candidates):
        return DEFAULT
    coefficients = [matthews(scores >= candidate, truth) for candidate in candidates]
    return round(float(candidates[int(np.argmax(coefficients))]), 6)


def matthews(called: NDArray[np.bool_], truth: NDArray[np.uint8]) -> float:
    """Matthews correlation coefficient of calls and truth, in [-1, 1]; 0 if either has one class only."""
    if called.min() == called.max() or truth.min() == truth.max():
        return 0.0
    return float(np.corrcoef(called.astype(np.float64), truth.astype(np.float64))[0, 1])
