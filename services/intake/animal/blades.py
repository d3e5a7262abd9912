"""Collimator blades and frames: straight strips along the picture's edges that differ from what lies inside them."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.intake.animal.scout import Mask, Plane, Scout

_DEEPEST: Final = 0.35
"""A strip is looked for up to this part of the side."""
_UNIFORM_PART: Final = 0.75
"""Part of a strip's pixels that must lie near the strip's own level."""
_JUMP: Final = 0.02
"""Least step from strip to inside, in parts of the picture's range; it must also be six times the noise of a line."""
_LAG: Final = 3
"""Lines across which the step happens (blades are a little blurred)."""


def open_field(scouted: Scout) -> Mask:
    """Part of the picture that is inside all blades and not transparent."""
    inside = scouted.known.copy()
    low, high = (float(level) for level in np.percentile(scouted.values[inside], (0.5, 99.5)))
    for turns in range(4):
        depth = _strip_depth(np.rot90(scouted.values, turns), high - low)
        if depth:
            np.rot90(inside, turns)[:, :depth] = False
    return inside


def _strip_depth(values: Plane, extent: float) -> int:
    """Columns of the strip along the left edge; 0 when there is none."""
    deepest = int(values.shape[1] * _DEEPEST)
    lines = values[:, : deepest + _LAG]
    levels = np.median(lines, axis=0)
    near = np.abs(lines - levels) <= max(0.03 * extent, 1e-3)
    uniform = near.mean(axis=0) >= _UNIFORM_PART
    steps = np.abs(levels[_LAG:] - levels[:-_LAG])
    usual = float(np.median(np.abs(np.diff(levels)))) + 1e-6
    jumps = np.flatnonzero((steps > _JUMP * extent) & (steps > 6 * usual))
    for jump in jumps:
        if uniform[: jump + 1].mean() >= _UNIFORM_PART and uniform[jump + _LAG]:
            return int(jump) + _LAG
    return 0
