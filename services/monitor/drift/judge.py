"""The verdict on a window: which of its measures have drifted from the centre's reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.common.events import CentreStatistics, Drift
from services.monitor.drift.measures import Distribution, distributions, pooled, same_edges
from services.monitor.drift.stability import chance_limit, stability_index

FALSE_ALARMS: Final = 0.001
"""Probability that a window of an unchanged centre is called drifted in any measure (Bonferroni over the measures)."""
_DECIMALS: Final = 6


@dataclass(frozen=True)
class Rule:
    """When a measure has drifted: enough observations on both sides, and an index beyond this and beyond chance."""

    least_count: int
    least_shift: float


def judged(window: CentreStatistics, reference: Sequence[CentreStatistics], rule: Rule) -> CentreStatistics:
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


def _drift(measure: str, here: Distribution, there: Distribution, alarms: float, rule: Rule) -> Drift:
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
