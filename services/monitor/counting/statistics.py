"""From a window's counters to its event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from services.common.events import CentreStatistics, ScoreHistogram
from services.common.events.base import now
from services.common.labels import LABEL_ORDER
from services.monitor.counting.histograms import EDGES
from services.monitor.counting.windows import moment_of


def statistics(centre: str, start: int, length: int, counters: Mapping[str, int]) -> CentreStatistics:
    """Return the statistics, drift not yet judged; `start` is Unix time, `length` in seconds.

    Every label is there, also with no positive call; a score is there once a view carried it.
    """
    count = Counter(counters)
    return CentreStatistics(
        centre=centre,
        window_start=moment_of(start),
        window_end=moment_of(start + length),
        images=count["images"],
        skipped=count["skipped"],
        accepted=count["accepted"],
        rejected=_named("rejected:", counters),
        calls=count["calls"],
        positive=dict.fromkeys(LABEL_ORDER, 0) | _named("positive:", counters),
        uncertain=count["uncertain"],
        disagreement=count["disagreement"],
        scores=_scores(count),
        produced_at=now(),
    )


def _named(prefix: str, counters: Mapping[str, int]) -> dict[str, int]:
    return {name.removeprefix(prefix): counters[name] for name in sorted(counters) if name.startswith(prefix)}


def _scores(count: Counter[str]) -> dict[str, ScoreHistogram]:
    histograms = {
        score: ScoreHistogram(
            edges=edges, counts=tuple(count[f"score:{score}:{number}"] for number in range(len(edges) + 1))
        )
        for score, edges in EDGES.items()
    }
    return {score: histogram for score, histogram in histograms.items() if any(histogram.counts)}
