"""Figures on held-out specimens: AUC per label and per centre, the errors at the thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from services.common.labels import LABEL_ORDER
from training.evaluation.levels import LEVEL_COLUMNS
from training.evaluation.measures.decisions import errors
from training.evaluation.measures.ranking import auc, auc_or_nan, auc_with_interval, resample
from training.evaluation.predictions import Labels, Numbers


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
    each = [_label_figures(column, given_abnormal, served, labels, thresholds) for column in range(len(LABEL_ORDER))]
    level1 = auc_with_interval(labels[:, 0], served[:, 0], resample(len(labels)))
    _, level2, level3 = level_means(labels, given_abnormal, served)
    centre = np.array(centres)
    return Figures(
        specimens=len(labels),
        abnormal=each[0].positives,
        level1_auc=level1.value,
        level1_interval=(level1.low, level1.high),
        level2_mean_auc=level2,
        level3_mean_auc=level3,
        labels=each,
        level1_auc_by_centre={
            name: auc(labels[centre == name, 0], served[centre == name, 0]) for name in sorted(set(centres))
        },
    )


def level_means(labels: Labels, given_abnormal: Numbers, served: Numbers) -> tuple[float, float, float]:
    """Mean AUC of levels 1, 2 and 3 of arrays [n, 14] as in `figures`; labels without both classes are passed over."""
    abnormal = labels[:, 0] == 1
    means = [auc_or_nan(labels[:, 0], served[:, 0])]
    for level in (2, 3):
        each = [auc(labels[abnormal, column], given_abnormal[abnormal, column]) for column in LEVEL_COLUMNS[level]]
        known = [value for value in each if value is not None]
        means.append(float(np.mean(known)) if known else math.nan)
    return means[0], means[1], means[2]


def _label_figures(
    column: int, given_abnormal: Numbers, served: Numbers, labels: Labels, thresholds: Sequence[float]
) -> LabelFigures:
    truth, probabilities = labels[:, column], served[:, column]
    abnormal = labels[:, 0] == 1
    wrong = errors(probabilities >= thresholds[column], truth)
    auc_all = auc(truth, probabilities)
    return LabelFigures(
        label=LABEL_ORDER[column],
        positives=int(truth.sum()),
        auc=auc_all if column == 0 else auc(truth[abnormal], given_abnormal[abnormal, column]),
        auc_all=auc_all,
        sensitivity=_known(wrong.sensitivity.value),
        specificity=_known(wrong.specificity.value),
        threshold=thresholds[column],
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
