"""Population stability index, and how large it gets by chance alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Final

_SMOOTHING: Final = 0.5
"""Added to every category (Jeffreys), so that one that is empty on one side has a finite share."""


def stability_index(window: Mapping[str, int], reference: Mapping[str, int]) -> float:
    """Return the sum over categories of (p - q) ln(p / q), p and q the smoothed shares; 0 for equal shares.

    It is the symmetrised Kullback-Leibler divergence. Categories are those counted on either side.
    """
    names = categories(window, reference)
    here, there = (_shares(counts, names) for counts in (window, reference))
    return sum((p - q) * math.log(p / q) for p, q in zip(here, there, strict=True))


def chance_limit(window: Mapping[str, int], reference: Mapping[str, int], false_alarms: float) -> float:
    """Return the index that samples of one distribution exceed with this probability; 0 with a single category.

    For n and m observations in k categories, index / (1/n + 1/m) is asymptotically chi-squared with k - 1 degrees of
    freedom (B. Yurdakul, Statistical Properties of Population Stability Index, Western Michigan University, 2018).
    """
    freedom = len(categories(window, reference)) - 1
    if freedom < 1:
        return 0.0
    return chi_squared_quantile(1 - false_alarms, freedom) * (1 / sum(window.values()) + 1 / sum(reference.values()))


def chi_squared_quantile(probability: float, freedom: int) -> float:
    """Return the quantile: exact for one degree of freedom, else by Wilson and Hilferty (1931), up to 8 % too high."""
    if freedom == 1:
        return NormalDist().inv_cdf((1 + probability) / 2) ** 2
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + NormalDist().inv_cdf(probability) * math.sqrt(spread)) ** 3)


def categories(window: Mapping[str, int], reference: Mapping[str, int]) -> list[str]:
    """Return the categories with a count on either side."""
    return sorted({name for counts in (window, reference) for name, count in counts.items() if count})


def _shares(counts: Mapping[str, int], names: list[str]) -> list[float]:
    total = sum(counts.values()) + _SMOOTHING * len(names)
    return [(counts.get(name, 0) + _SMOOTHING) / total for name in names]
