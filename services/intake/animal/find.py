"""From a decoded image to its animal: collimator blades, background, polarity and outline.

Collimator blades and frames are straight strips along the image's edges that differ from the area inside them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.common.errors import Rejected
from services.intake.animal.background import Background, find_background
from services.intake.animal.edges import within_edges
from services.intake.animal.mask import FoundAnimal, find_animal
from services.intake.animal.trunk import Mask, Plane, Scout, scout
from services.intake.raster import Raster

_DEEPEST: Final = 0.35
"""Strips are searched up to this fraction of the side."""
_UNIFORM_PART: Final = 0.75
"""Fraction of a strip's pixels that must be near the strip's own level."""
_MOST_FRAMES: Final = 3
_SHARP_PART: Final = 0.35
"""Fraction of a step that must occur between two lines."""
_TOLERANCE: Final = 0.06
"""Pixels within this fraction of the image's range of a level are near it."""
_JUMP: Final = 0.02
"""Least step from strip to inside, as a fraction of the range; it must also be six times the noise of a line."""
_STEADY: Final = 0.004
"""Lines that differ by less than this fraction of the range plus the usual difference are beyond the step."""
_LAG: Final = 3
"""Number of lines across which the step occurs (blades are slightly blurred)."""


def open_field(scouted: Scout) -> Mask:
    """Return the area inside all blades, bool [rows, columns]; nested blades are found one after the other."""
    values = scouted.values
    low, high = (float(level) for level in np.percentile(values[::2, ::2], (0.5, 99.5)))
    top, left, bottom, right = 0, 0, *values.shape
    for _ in range(_MOST_FRAMES):
        inner = values[top:bottom, left:right]
        depths = [_strip_depth(np.rot90(inner, turns), high - low) for turns in range(4)]
        if not any(depths):
            break
        # Turned by a quarter, counter-clockwise, the left edge is what was the top edge, and so on.
        left, top, right, bottom = left + depths[0], top + depths[1], right - depths[2], bottom - depths[3]
    field = np.zeros(values.shape, dtype=np.bool_)
    field[top:bottom, left:right] = True
    return field


def _strip_depth(values: Plane, extent: float) -> int:
    """Return the number of columns of the strip along the left edge; 0 when there is none."""
    deepest = int(values.shape[1] * _DEEPEST)
    lines = values[::2, : deepest + _LAG]
    levels = np.median(lines, axis=0)
    near = np.abs(lines - levels) <= max(_TOLERANCE * extent, 1e-3)
    uniform = near.mean(axis=0)
    steps = np.abs(levels[_LAG:] - levels[:-_LAG])
    usual = float(np.median(np.abs(np.diff(levels)))) + 1e-6
    jumps = np.flatnonzero((steps > _JUMP * extent) & (steps > 6 * usual))
    for jump in jumps:
        if (uniform[: jump + 1] >= _UNIFORM_PART).mean() >= _UNIFORM_PART:
            after = _after_step(levels, int(jump), usual + _STEADY * extent)
            beyond = min(after, lines.shape[1] - 1)
            return after if _is_edge(levels[jump : beyond + 1], lines[:, jump], lines[:, beyond]) else 0
    return 0


def _is_edge(levels: Plane, strip: Plane, beyond: Plane) -> bool:
    """Return whether this is a blade's edge.

    It is sharp, unlike an animal's flank, and spans the whole line, unlike an animal that crosses it.

    `levels` are the medians of the lines from `strip` to `beyond`.
    """
    steps, whole = beyond - strip, abs(float(levels[-1] - levels[0]))
    usual = float(np.median(steps))
    along = float((steps * np.sign(usual) > abs(usual) / 2).mean())
    return float(np.abs(np.diff(levels)).max()) >= _SHARP_PART * whole and along >= _UNIFORM_PART


def _after_step(levels: Plane, jump: int, steady: float) -> int:
    """Return the first line beyond a step that starts near line `jump` (a blade's edge is blurred)."""
    changes = np.abs(np.diff(levels))
    line = jump + int(np.argmax(changes[jump : jump + 2 * _LAG]))
    while line < len(changes) and changes[line] > steady:
        line += 1
    return line + 1


@dataclass(frozen=True)
class ScoutAnalysis:
    """What the scout of an image shows.

    `surface` is the background, float32 like the scout, before polarity is corrected. `sign` is 1 when bone is bright
    in the file and -1 when it is dark. `field` is the area inside the blades.
    """

    scout: Scout
    field: Mask
    background: Background
    surface: Plane
    sign: int
    animal: FoundAnimal

    @property
    def factor(self) -> int:
        """Side of a scout pixel in image pixels."""
        return self.scout.factor


def find(raster: Raster, *, tilted: bool = False) -> ScoutAnalysis:
    """Find the animal; raises Rejected `blank` when no object stands out from the background.

    With `tilted`, straight edges at any angle bound the field as well as the blades along the image's edges.
    """
    small = scout(raster)
    field = open_field(small)
    if tilted:
        field = within_edges(small.values, field)
    background = find_background(small, field)
    sign = 1 if background.polarity >= 0 else -1
    surface = background.surface(*small.values.shape)
    animal = find_animal((small.values - surface) * np.float32(sign), background, field)
    if animal is None:
        noise = round(background.noise, 5)
        message = f"no object stands out from the background (its noise is {noise:g} of full scale)"
        raise Rejected("blank", message, noise=noise)
    return ScoutAnalysis(small, field, background, surface, sign, animal)
