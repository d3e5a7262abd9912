"""Figures of one backbone on held-out specimens: AUC per label and centre, and errors at the thresholds."""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from services.common.labels import LABEL_ORDER
from training.datasets.arrays import Labels, Mask, known, scored
from training.metrics.decisions import errors
from training.metrics.predictions import Numbers
from training.metrics.ranking import LEVEL_COLUMNS, auc, auc_with_interval, resample


class LabelFigures(BaseModel):
    """One label on the test specimens.

    `auc` is over all specimens for level 1 and over the abnormal ones for levels 2 and 3, as in the paper;
    `auc_all` is over all specimens, of the served probability. None if a class is missing. Specimens whose label is
    unknown are not counted.
    """

    label: str
    positives: int
    auc: float | None
    auc_all: float | None
    sensitivity: float | None
    specificity: float | None
    threshold: float


class BackboneMetrics(BaseModel):
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
) -> BackboneMetrics:
    """Compute the figures of one backbone.

    All arrays are [n, 14] in the order of `LABEL_ORDER`: probabilities (levels 2 and 3 given abnormal),
    probabilities as served, and the truth.
    """
    each = [_label_figures(column, given_abnormal, served, labels, thresholds) for column in range(len(LABEL_ORDER))]
    rows = known(labels[:, 0])
    level1 = auc_with_interval(labels[rows, 0], served[rows, 0], resample(int(rows.sum())))
    _, level2, level3 = level_means(labels, given_abnormal, served)
    centre = np.array(centres)
    return BackboneMetrics(
        specimens=len(labels),
        abnormal=each[0].positives,
        level1_auc=level1.value,
        level1_interval=(level1.low, level1.high),
        level2_mean_auc=level2,
        level3_mean_auc=level3,
        labels=each,
        level1_auc_by_centre={
            name: _auc(labels[:, 0], served[:, 0], rows & (centre == name)) for name in sorted(set(centres))
        },
    )


def level_means(labels: Labels, given_abnormal: Numbers, served: Numbers) -> tuple[float, float, float]:
    """Mean AUC of levels 1, 2 and 3 of arrays [n, 14] as in `figures`; labels without both classes are skipped."""
    counted = scored(labels)
    means = []
    for level, columns in LEVEL_COLUMNS.items():
        scores = served if level == 1 else given_abnormal
        each = [_auc(labels[:, column], scores[:, column], counted[:, column]) for column in columns]
        values = [value for value in each if value is not None]
        means.append(float(np.mean(values)) if values else math.nan)
    return means[0], means[1], means[2]


def _label_figures(
    column: int, given_abnormal: Numbers, served: Numbers, labels: Labels, thresholds: Sequence[float]
) -> LabelFigures:
    truth, probabilities = labels[:, column], served[:, column]
    # Missing labels are neither 0 nor 1, so they are not counted as errors.
    at_threshold = errors(probabilities >= thresholds[column], truth)
    auc_all = _auc(truth, probabilities, known(truth))
    return LabelFigures(
        label=LABEL_ORDER[column],
        positives=int((truth == 1).sum()),
        auc=auc_all if column == 0 else _auc(truth, given_abnormal[:, column], scored(labels)[:, column]),
        auc_all=auc_all,
        sensitivity=_number(at_threshold.sensitivity.value),
        specificity=_number(at_threshold.specificity.value),
        threshold=thresholds[column],
    )


def _auc(truth: Labels, scores: Numbers, rows: Mask) -> float | None:
    return auc(truth[rows], scores[rows])


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
