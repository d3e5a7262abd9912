"""The distributions of a window that are compared: outcomes, positive rates, doubts, quality scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from services.common.events import CentreStatistics, ScoreHistogram

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
        | {measure: Counter(yes=count, no=window.calls - count) for measure, count in shares.items()}
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
