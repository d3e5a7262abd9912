"""A figure with its 95 % interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

COVERAGE: Final = 0.95
_Z: Final = NormalDist().inv_cdf(0.5 + COVERAGE / 2)


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its 95 % interval; all nan where nothing can be said."""

    value: float
    low: float
    high: float


def proportion(successes: int, trials: int) -> Estimate:
    """A share in 0..1 with Wilson's score interval (Wilson, JASA 1927; Newcombe, Stat Med 1998, method 3)."""
    if not trials:
        return Estimate(math.nan, math.nan, math.nan)
    share = successes / trials
    centre = share + _Z**2 / (2 * trials)
    half = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    scale = 1 + _Z**2 / trials
    return Estimate(share, max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))


def percentile_interval(value: float, resampled: NDArray[np.float64]) -> Estimate:
    """A value with the percentile interval of its bootstrap values [resamples]; those that are nan are left out."""
    known = resampled[~np.isnan(resampled)]
    if not len(known):
        return Estimate(value, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Estimate(value, float(low), float(high))
