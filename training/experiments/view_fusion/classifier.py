"""The classifier that all combinations share: a logistic regression a label on frozen features."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from services.common.labels import LABEL_ORDER
from training.datasets.missing import scored
from training.datasets.store import Subset

STRENGTH: Final = 0.003
"""Inverse of the L2 penalty, the same for all labels and combinations: chosen once, not tuned for any of them."""


class LabelRegressions:
    """Fourteen logistic regressions, level 1 on all specimens, levels 2 and 3 on abnormal ones; no chance in them."""

    def __init__(self, features: NDArray[np.float32], labels: NDArray[np.uint8]) -> None:
        """Fit on features [n, features] and labels [n, 14], each with both classes among what it is fitted on."""
        self._scale = StandardScaler().fit(features)
        standard = self._scale.transform(features)
        rows = scored(labels)
        self._models = [
            _fitted(standard[rows[:, column]], labels[rows[:, column], column]) for column in range(len(LABEL_ORDER))
        ]

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits [n, 14] of features [n, features]; levels 2 and 3 given abnormal."""
        standard = self._scale.transform(features)
        return np.stack([model.decision_function(standard) for model in self._models], axis=1).astype(np.float32)


def left_out_logits(
    train: tuple[NDArray[np.float32], Subset], other: tuple[NDArray[np.float32], Subset]
) -> NDArray[np.float32]:
    """Logits [n, 14] of the other specimens, each from regressions fitted without the training specimens of its centre.

    Both are features and their specimens.
    """
    features, specimens = train
    others, wanted = other
    logits = np.zeros((len(wanted), len(LABEL_ORDER)), dtype=np.float32)
    for centre in sorted(set(wanted.centres)):
        kept, rows = np.array(specimens.centres) != centre, np.array(wanted.centres) == centre
        logits[rows] = LabelRegressions(features[kept], specimens.labels[kept]).logits(others[rows])
    return logits


def _fitted(features: NDArray[np.float32], truth: NDArray[np.uint8]) -> LogisticRegression:
    return LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000).fit(features, truth)
