"""Whether a centre's window has drifted from the centre's earlier windows, its reference. Pure functions.

The compared distributions are outcomes, positive rates, uncertain calls, disagreements and quality scores. They are
compared by the population stability index, with a limit that takes into account how large it gets by chance.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from services.common.events import CentreStatistics, Drift, ScoreHistogram

Distribution = Counter[str]


def distributions(window: CentreStatistics) -> dict[str, Distribution]:
    """Return every measure's counts by category.

    `outcome`: accepted or the reason of the rejection. `positive.<label>`, `uncertain`, `disagreement`: share of the
    calls. `score.<name>`: the histogram.
    """
    outcome = Counter({"accepted": window.accepted}) + Counter(
        {f"rejected: {reason}": count for reason, count in window.rejected.items()}
    )
    shares = {f"positive.{label}": count for label, count in window.positive.items()}
    shares |= {"uncertain": window.uncertain, "disagreement": window.disagreement}
    return (
        {"outcome": outcome}
        | {measure: Counter(yes=count, no=max(0, window.calls - count)) for measure, count in shares.items()}
        | {f"score.{name}": _histogram(histogram) for name, histogram in window.scores.items()}
    )


def pooled(windows: Iterable[CentreStatistics]) -> dict[str, Distribution]:
    """Return the distributions of several windows together."""
    total: dict[str, Distribution] = {}
    for window in windows:
        for measure, distribution in distributions(window).items():
            total.setdefault(measure, Counter()).update(distribution)
    return total


def same_edges(window: CentreStatistics, other: CentreStatistics) -> CentreStatistics:
    """Return `other` without the histograms whose edges are not those of `window`."""
    kept = {
        name: histogram
        for name, histogram in other.scores.items()
        if name in window.scores and window.scores[name].edges == histogram.edges
    }
    return other.model_copy(update={"scores": kept})


def _histogram(histogram: ScoreHistogram) -> Distribution:
    return Counter({str(number): count for number, count in enumerate(histogram.counts)})


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


FALSE_ALARMS: Final = 0.001
"""Probability that a window of an unchanged centre is called drifted in any measure (Bonferroni over the measures)."""
_DECIMALS: Final = 6


@dataclass(frozen=True)
class DriftRule:
    """Drift: both sides have `least_count` observations and the index exceeds `least_shift` and chance."""

    least_count: int
    least_shift: float


def judged(window: CentreStatistics, reference: Sequence[CentreStatistics], rule: DriftRule) -> CentreStatistics:
    """Return the window with its drift from the reference windows; measures with too few observations are left out."""
    earlier = pooled(same_edges(window, one) for one in reference)
    pairs = {
        measure: (here, earlier[measure])
        for measure, here in sorted(distributions(window).items())
        if measure in earlier and min(here.total(), earlier[measure].total()) >= rule.least_count
    }
    alarms = FALSE_ALARMS / max(1, len(pairs))
    drift = tuple(_drift(measure, here, there, alarms, rule) for measure, (here, there) in pairs.items())
    return window.model_copy(update={"drift": drift, "reference_windows": len(reference)})


def _drift(measure: str, here: Distribution, there: Distribution, alarms: float, rule: DriftRule) -> Drift:
    index = stability_index(here, there)
    limit = max(rule.least_shift, chance_limit(here, there, alarms))
    return Drift(
        measure=measure,
        psi=round(index, _DECIMALS),
        limit=round(limit, _DECIMALS),
        count=here.total(),
        reference_count=there.total(),
        drifted=index > limit,
    )
