"""Whether a model's features give the centre away: what it could use instead of bones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.metrics.estimate import Estimate, proportion

FOLDS: Final = 5
_STRENGTH: Final = 0.01
"""Inverse of the L2 penalty: there are more features than specimens."""


@dataclass(frozen=True)
class CentreFromFeatures:
    """Share of specimens whose centre is found; `chance` is the share of the commonest centre."""

    accuracy: Estimate
    chance: float
    centres: int
    specimens: int


def centre_from_features(features: NDArray[np.float32], centres: Sequence[str]) -> CentreFromFeatures | None:
    """Five-fold cross-validated logistic regression from features [n, features] to the centre.

    Centres with fewer specimens than folds are left out; None if fewer than two are left.
    """
    names, counts = np.unique(np.array(centres), return_counts=True)
    kept = np.isin(np.array(centres), names[counts >= FOLDS])
    truth = np.array(centres)[kept]
    if len(set(truth.tolist())) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    found = cross_val_predict(model, features[kept], truth, cv=folds)
    _, counts = np.unique(truth, return_counts=True)
    accuracy = proportion(int((found == truth).sum()), len(truth))
    return CentreFromFeatures(accuracy, float(counts.max() / len(truth)), len(counts), len(truth))
