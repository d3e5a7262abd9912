"""Measures of calls on strangers, each with its 95 % interval."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.decision.arrays import Numbers
from training.datasets.arrays import Labels, Mask, scored
from training.metrics.ranking import (
    COVERAGE,
    LEVEL_COLUMNS,
    Counts,
    Estimate,
    auc_or_nan,
    percentile_interval,
    proportion,
    resample,
    resampled_auc,
)

_Z: Final = NormalDist().inv_cdf(0.5 + COVERAGE / 2)
BINS: Final = 10


def level_auc(labels: Labels, probabilities: Numbers, level: int, counts: Counts) -> tuple[float, Numbers]:
    """Return a level's mean AUC, and its value in each bootstrap sample [resamples]; nan without both classes.

    Probabilities and labels are [n, 14]; levels 2 and 3 are measured among abnormal specimens, as in the paper. Labels
    that lack a class are skipped.
    """
    counted = scored(labels)
    values, resampled = [], []
    for column in LEVEL_COLUMNS[level]:
        rows = counted[:, column]
        truth, scores = labels[rows, column], probabilities[rows, column]
        if len(truth) and truth.min() != truth.max():
            values.append(auc_or_nan(truth, scores))
            resampled.append(resampled_auc(truth, scores, counts[:, rows]))
    if not values:
        return math.nan, np.full(len(counts), math.nan)
    known = np.array(resampled)
    have = ~np.isnan(known)
    means = np.where(have.any(axis=0), np.nansum(known, axis=0) / np.maximum(have.sum(axis=0), 1), np.nan)
    return float(np.mean(values)), means


def auc_estimate(labels: Labels, probabilities: Numbers, level: int) -> Estimate:
    """A level's mean AUC with its bootstrap interval over specimens."""
    value, resampled = level_auc(labels, probabilities, level, resample(max(1, len(labels)))[:, : len(labels)])
    return percentile_interval(value, resampled)


def auc_difference(labels: Labels, first: Numbers, second: Numbers, level: int) -> Estimate:
    """The first's mean AUC minus the second's at a level, with its paired bootstrap interval over specimens."""
    counts = resample(len(labels))
    one, other = (level_auc(labels, probabilities, level, counts) for probabilities in (first, second))
    return percentile_interval(one[0] - other[0], one[1] - other[1])


def share(mask: Mask) -> Estimate:
    """The share of true values with Wilson's interval; nan without values."""
    return proportion(int(mask.sum()), len(mask))


def calibration_error(truth: Labels, probabilities: Numbers, prevalence: float) -> Estimate:
    """Expected calibration error of probabilities [n] at a stated prevalence, with its bootstrap interval.

    Specimens are weighted so that the share of abnormal ones is the prevalence. The bins have equal weight.
    """
    counts = resample(len(truth)).astype(np.float64)
    order = np.argsort(probabilities, kind="stable")
    value = _calibration_error(truth[order], probabilities[order], prevalence, np.ones(len(truth)))
    each = [_calibration_error(truth[order], probabilities[order], prevalence, row[order]) for row in counts]
    return percentile_interval(value, np.array(each))


def _calibration_error(truth: Labels, probabilities: Numbers, prevalence: float, times: Numbers) -> float:
    abnormal = (times * (truth == 1)).sum()
    normal = (times * (truth == 0)).sum()
    if not abnormal or not normal:
        return math.nan
    weight = times * np.where(truth == 1, prevalence / abnormal, (1 - prevalence) / normal)
    ends = np.cumsum(weight)
    bins = np.minimum((ends * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=weight * (probabilities - (truth == 1)), minlength=BINS)
    return float(np.abs(gaps).sum())


def positive_predictive_value(truth: Labels, called: NDArray[np.bool_], prevalence: float) -> Estimate:
    """Share of abnormal specimens among those called abnormal, at a stated prevalence, with its logit interval.

    From sensitivity and specificity of calls [n] by Bayes' rule; the interval is that of the logit by the delta method,
    with half a specimen added to each cell (Mercaldo, Lau and Zhou, Stat Med 2007, 26:2170). nan without both classes.
    """
    positives, negatives = int((truth == 1).sum()), int((truth == 0).sum())
    if not positives or not negatives:
        return Estimate(math.nan, math.nan, math.nan)
    sensitivity = (float(called[truth == 1].sum()) + 0.5) / (positives + 1)
    alarms = (float(called[truth == 0].sum()) + 0.5) / (negatives + 1)
    odds = math.log(sensitivity * prevalence / (alarms * (1 - prevalence)))
    half = _Z * math.sqrt((1 - sensitivity) / (sensitivity * positives) + (1 - alarms) / (alarms * negatives))
    low, value, high = (1 / (1 + math.exp(-point)) for point in (odds - half, odds, odds + half))
    return Estimate(value, low, high)
