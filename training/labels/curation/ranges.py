"""Reference ranges of counts and lengths, from each centre's wild types of each strain.

Method, for one centre, strain and parameter: values beyond Tukey's outer fences of the wild types (three times the
interquartile range, at least three counts or millimetres, from the quartiles) are gross errors and are dropped. The
2.5 % and 97.5 % quantiles of the rest bound the range. Both are values that occur, so a range of counts has whole
bounds; they belong to the range. At least 120 wild types must remain, the number for a non-parametric 95 % reference
interval according to CLSI EP28-A3c; otherwise the anatomical range is used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

MINIMUM_WILD_TYPES: Final = 120
TAIL: Final = 0.025
FENCE: Final = 3.0


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Normal values, both ends included; `wild_types` is 0 for the anatomical range."""

    low: float
    high: float
    wild_types: int = 0

    def holds(self, value: float) -> bool:
        """Whether a value is normal."""
        return self.low <= value <= self.high


ANATOMICAL: Final = MappingProxyType(
    {
        "IMPC_XRY_008_001": Range(13, 13),
        "IMPC_XRY_009_001": Range(13, 13),
        "IMPC_XRY_013_001": Range(7, 7),
        "IMPC_XRY_014_001": Range(13, 13),
        "IMPC_XRY_015_001": Range(5, 6),
        "IMPC_XRY_016_001": Range(4, 4),
        # About 28; the tip of the tail is often cut for genotyping, and the last vertebrae are hard to see.
        "IMPC_XRY_017_001": Range(26, 31),
        "IMPC_XRY_028_001": Range(20, 20),
    }
)
"""Counts of a normal mouse. The length of the tibia has no range: it depends on strain, sex and method."""


def estimate(values: Sequence[float]) -> Range | None:
    """The reference range of wild types' values; None if too few remain without gross errors."""
    ordered = sorted(values)
    if len(ordered) < MINIMUM_WILD_TYPES:
        return None
    low, high = _ends(ordered, 0.25)
    reach = FENCE * max(high - low, 1.0)
    kept = [value for value in ordered if low - reach <= value <= high + reach]
    if len(kept) < MINIMUM_WILD_TYPES:
        return None
    return Range(*_ends(kept, TAIL), len(kept))


def _ends(ordered: Sequence[float], share: float) -> tuple[float, float]:
    """The values that bound the lowest and the highest `share` of all, counted in the same way from both ends."""
    rank = max(math.ceil(share * len(ordered) - 1e-9), 1)
    return ordered[rank - 1], ordered[-rank]
