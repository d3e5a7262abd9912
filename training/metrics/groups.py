"""Level-1 AUC by centre, by severity, and by kind of abnormality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.datasets.arrays import Mask
from training.metrics.decisions import calls
from training.metrics.predictions import Numbers, Predictions
from training.metrics.ranking import LEVEL_COLUMNS, Estimate, auc_with_interval, proportion, resample

CHANCE: Final = 0.5
SEVERITIES: Final = ((0.0, 0.6), (0.6, 0.8), (0.8, 1.0))
"""Ranges of severity; the lower bound is excluded."""


@dataclass(frozen=True)
class KindFindings:
    """Specimens whose only finding is of one kind.

    `auc` is level 1 against all normal specimens. `detected` is the share called abnormal in each range of
    `SEVERITIES`, and `specimens` the number there. `labels_found` is the share of their level-3 labels that are called;
    nan if the kind sets none.
    """

    kind: str
    auc: GroupAuc
    detected: tuple[Estimate, ...]
    specimens: tuple[int, ...]
    labels_found: float

    @property
    def detectable(self) -> bool:
        """Whether the interval of the AUC is above chance."""
        return self.auc.auc.low > CHANCE


def by_kind(predictions: Predictions) -> list[KindFindings]:
    """Kinds by falling AUC; empty if the findings are unknown."""
    if predictions.findings is None:
        return []
    single = [each[0] if len(each) == 1 else None for each in predictions.findings]
    kinds = np.array(["" if one is None else one.kind for one in single])
    severity = np.array([np.nan if one is None else one.severity for one in single])
    called = calls(predictions.served, predictions.origin.thresholds)
    usable = predictions.known[:, 0]
    found = [
        _kind(predictions, str(kind), usable & (kinds == kind), severity, called)
        for kind in sorted(set(kinds[usable].tolist()) - {""})
    ]
    return sorted(found, key=lambda one: -one.auc.auc.value)


def _kind(predictions: Predictions, kind: str, rows: Mask, severity: Numbers, called: Mask) -> KindFindings:
    normal = predictions.known[:, 0] & (predictions.labels[:, 0] == 0)
    ranges = [rows & (severity > low) & (severity <= high) for low, high in SEVERITIES]
    columns = list(LEVEL_COLUMNS[3])
    positive = (predictions.labels[rows][:, columns] == 1) & predictions.known[rows][:, columns]
    return KindFindings(
        kind=kind,
        auc=level1_group(predictions, kind, normal | rows),
        detected=tuple(proportion(int(called[part, 0].sum()), int(part.sum())) for part in ranges),
        specimens=tuple(int(part.sum()) for part in ranges),
        labels_found=float(called[rows][:, columns][positive].mean()) if positive.any() else float("nan"),
    )


SEVERITY_BINS: Final = 4


@dataclass(frozen=True)
class GroupAuc:
    """Level-1 AUC of some specimens with its bootstrap interval; `in_training` is None except for centres."""

    name: str
    auc: Estimate
    specimens: int
    abnormal: int
    in_training: bool | None = None


def by_centre(predictions: Predictions) -> list[GroupAuc]:
    """Each centre's own specimens, by name; `in_training` is whether the training set has the centre."""
    centres = np.array(predictions.centres)
    trained = predictions.origin.training_prevalence
    return [
        level1_group(predictions, str(name), (centres == name) & predictions.known[:, 0], in_training=name in trained)
        for name in np.unique(centres)
    ]


def by_severity(predictions: Predictions, bins: int = SEVERITY_BINS) -> list[GroupAuc]:
    """Abnormal specimens in ranges with equal numbers, by rising severity, each against all normal specimens.

    Empty if no abnormal specimen's severity is known.
    """
    abnormal = predictions.abnormal & ~np.isnan(predictions.severity)
    normal = predictions.known[:, 0] & ~predictions.abnormal
    rows = np.flatnonzero(abnormal)
    order = rows[np.argsort(predictions.severity[rows], kind="stable")]
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [level1_group(predictions, _range(predictions.severity[part]), _including(normal, part)) for part in parts]


def level1_group(predictions: Predictions, name: str, rows: Mask, *, in_training: bool | None = None) -> GroupAuc:
    """Level-1 AUC among the chosen specimens [n]."""
    truth, scores = predictions.labels[rows, 0], predictions.served[rows, 0]
    estimate = auc_with_interval(truth, scores, resample(max(1, len(truth)))[:, : len(truth)])
    return GroupAuc(name, estimate, len(truth), int((truth == 1).sum()), in_training)


def _including(mask: Mask, rows: NDArray[np.intp]) -> Mask:
    joined = mask.copy()
    joined[rows] = True
    return joined


def _range(values: Numbers) -> str:
    return f"{values.min():.2f} to {values.max():.2f}"
