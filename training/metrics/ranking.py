"""AUC and average precision, estimates with their 95 % intervals, and the label columns of each level."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from services.common.labels import LABEL_ORDER, LEVEL2
from training.datasets.arrays import Labels
from training.metrics.predictions import Numbers

COVERAGE: Final = 0.95
_Z: Final = NormalDist().inv_cdf(0.5 + COVERAGE / 2)


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its 95 % interval; nan where it cannot be estimated."""

    value: float
    low: float
    high: float


def proportion(successes: int, trials: int) -> Estimate:
    """A share in 0..1 with Wilson's score interval (Wilson, JASA 1927; Newcombe, Stat Med 1998, method 3); nan of 0."""
    if not trials:
        return Estimate(math.nan, math.nan, math.nan)
    share = successes / trials
    centre = share + _Z**2 / (2 * trials)
    half = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    scale = 1 + _Z**2 / trials
    return Estimate(share, max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))


def percentile_interval(value: float, resampled: NDArray[np.float64]) -> Estimate:
    """A value with the percentile interval of its bootstrap values [resamples]; nan values are ignored."""
    known = resampled[~np.isnan(resampled)]
    if not len(known):
        return Estimate(value, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Estimate(value, float(low), float(high))


LEVELS: Final = (1, 2, 3)
LEVEL_COLUMNS: Final = {
    1: range(1),
    2: range(1, 1 + len(LEVEL2)),
    3: range(1 + len(LEVEL2), len(LABEL_ORDER)),
}
"""Columns of each level in arrays in the order of `LABEL_ORDER`."""

Counts = NDArray[np.uint16]
"""How often each specimen is in each bootstrap sample, [resamples, specimens]."""

RESAMPLES: Final = 1000
_BLOCK: Final = 2_000_000
"""Limit on specimens times resamples that are processed at once, which bounds memory."""


def resample(specimens: int, resamples: int = RESAMPLES, seed: int = 0) -> Counts:
    """Draw specimens with replacement; return how often each is in each bootstrap sample, [resamples, specimens]."""
    random = np.random.default_rng(seed)
    drawn = (random.integers(0, specimens, specimens) for _ in range(resamples))
    return np.stack([np.bincount(rows, minlength=specimens).astype(np.uint16) for rows in drawn])


def auc(truth: Labels, scores: Numbers) -> float | None:
    """Area under the ROC curve of truth and scores [n] (Mann-Whitney U, ties count half); None without both classes."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return None
    _, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[position]
    wins = ranks[truth == 1].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def auc_or_nan(truth: Labels, scores: Numbers) -> float:
    """Area under the ROC curve of truth and scores [n]; nan if a class is missing."""
    value = auc(truth, scores)
    return math.nan if value is None else value


def resampled_auc(truth: Labels, scores: Numbers, counts: Counts) -> Numbers:
    """AUC in each bootstrap sample [resamples], from truth and scores [n] and counts [resamples, n].

    The Mann-Whitney U of weighted specimens, ties count half; nan for a sample without both classes.
    """
    if not len(truth):
        return np.full(len(counts), math.nan)
    rows = max(1, _BLOCK // len(truth))
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-math.inf))
    blocks = [counts[start : start + rows, order] for start in range(0, len(counts), rows)]
    return np.concatenate([_weighted_auc(truth[order], block, starts) for block in blocks])


def auc_with_interval(truth: Labels, scores: Numbers, counts: Counts) -> Estimate:
    """AUC of truth and scores [n] with its 95 % bootstrap interval over specimens."""
    return percentile_interval(auc_or_nan(truth, scores), resampled_auc(truth, scores, counts))


def average_precision(truth: Labels, scores: Numbers) -> float:
    """Area under the precision-recall curve (step-wise); chance is the share of positives; nan without both classes."""
    if not len(truth) or truth.min() == truth.max():
        return math.nan
    return float(average_precision_score(truth, scores))


def _weighted_auc(truth: Labels, counts: Counts, starts: NDArray[np.intp]) -> Numbers:
    """AUC per row of counts; specimens are sorted by score, `starts` are the first of each group of equal scores."""
    weights = counts.astype(np.float64)
    positive = np.add.reduceat(weights * (truth == 1), starts, axis=1)
    negative = np.add.reduceat(weights * (truth == 0), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + negative / 2)).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    values = np.full(len(counts), math.nan)
    np.divide(wins, pairs, out=values, where=pairs > 0)
    return values
