"""Edges of the histograms of the quality scores (docs/intake.md says what each score is).

Each score's limits lie on an edge. A changed edge makes earlier windows incomparable: their histograms are left out
of the reference until the new ones fill it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

_TENTHS: Final = tuple(round(tenth / 10, 1) for tenth in range(1, 10))
_DOUBLING: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_PROBABILITY: Final = (0.1, 0.5, 0.9, 0.99)

EDGES: Final[dict[str, tuple[float, ...]]] = {
    "stored_range": (0.003, 0.05, *_TENTHS),
    "polarity": (-0.5, 0.0, 0.5),
    "contrast": (0.04, *_TENTHS),
    "signal_to_noise": (8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0),
    "outline": _DOUBLING,
    "tissue_contrast": (0.15, *_TENTHS[1:]),
    "saturated": (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    "step": (0.01, 0.02, 0.05, 0.1, 0.15, 0.2),
    "touching": (0.01, 0.02, 0.05, 0.1, 0.14, 0.65),
    "animals": (0.5, 1.5),
    "elongation": (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0),
    "view_dv": _PROBABILITY,
    "view_lat": _PROBABILITY,
    "view_other": _PROBABILITY,
    "head": (0.6, 0.7, 0.8, 0.9, 0.99),
    "mirrored": _PROBABILITY,
    "body_angle": (15.0, 30.0, 60.0, 90.0, 120.0, 150.0, 165.0),
    "animal_side": (80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0),
}


def bin_of(score: str, value: float) -> int | None:
    """Return the bin of a value: 0 below the first edge, `len(edges)` at or above the last; None if not binned."""
    edges = EDGES.get(score)
    return None if edges is None else bisect_right(edges, value)
