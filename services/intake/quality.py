"""Quality of an image: measured scores, and the limits beyond which it is rejected.

Each score has the same meaning for every centre and file format. docs/intake.md defines all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np

from services.common.errors import Rejected
from services.intake.animal.find import ScoutAnalysis
from services.intake.animal.mask import FoundAnimal
from services.intake.animal.trunk import Mask, Plane, Trunk
from services.intake.raster import Raster
from services.intake.settings import Limits

_BRIGHTEST: Final = 99.9
_ONE_LEVEL: Final = 1.5 / 255
"""A pixel is saturated when it is within one level (of 255) of the animal's brightest (this percentile)."""
_OUTLINE: Final = 3
"""Width in scout pixels of the bands inside and outside the outline that are compared."""
_STEP_LINES, _STEP_STRIDE, _STEP_PART = 2, 3, 0.85
"""A step occurs within two lines, at this fraction of (every third of) their pixels. An animal's edge never does."""
_STEP_LEAST_LINE: Final = 0.5
"""Least fraction of a line that must be in the field."""


def measure(raster: Raster, found: ScoutAnalysis, trunk: Trunk) -> dict[str, float]:
    """Return every quality score by name (docs/intake.md)."""
    animal = found.animal
    noise = max(animal.noise, 1e-4)
    return {
        "stored_range": raster.stored_range,
        "polarity": found.background.polarity,
        "contrast": animal.contrast,
        "signal_to_noise": min(animal.contrast / noise, 1e4),
        "outline": min(_outline_step(animal) / max(noise, _grain(animal)), 1e4),
        "tissue_contrast": _tissue_contrast(animal),
        "saturated": _saturated(raster, found),
        "step": _step(found),
        "touching": _touching(animal, found.field),
        "animals": float(animal.count),
        "elongation": trunk.elongation,
    }


def _outline_step(animal: FoundAnimal) -> float:
    """Return how much brighter the median band inside the outline is than the one outside."""
    kernel = np.ones((2 * _OUTLINE + 1,) * 2, np.uint8)
    mask = animal.mask.astype(np.uint8)
    ring = (cv2.dilate(mask, kernel) > 0) & ~animal.mask & ~animal.others
    rim = animal.mask & (cv2.erode(mask, kernel) == 0)
    if not ring.any() or not rim.any():
        return 0.0
    return float(np.median(animal.excess[rim])) - float(np.median(animal.excess[ring]))


def _grain(animal: FoundAnimal) -> float:
    """Return the standard deviation of the finest structure in the animal. A stretched blank image has nothing else."""
    fine = animal.excess - cv2.GaussianBlur(animal.excess, (5, 5), 0)
    return 1.4826 * float(np.median(np.abs(fine[animal.mask])))


def _tissue_contrast(animal: FoundAnimal) -> float:
    """Return the spread of the animal's levels, lower quartile to 99th percentile, as a fraction of the latter."""
    low, high = (float(level) for level in np.percentile(animal.excess[animal.mask], (25, 99)))
    return (high - low) / max(high, 1e-6)


def _saturated(raster: Raster, found: ScoutAnalysis) -> float:
    """Return the fraction of the animal at its brightest level, wherever the file's scale ends."""
    rows, columns = found.animal.mask.shape
    levels = raster.pixels[:: found.factor, :: found.factor][:rows, :columns][found.animal.mask].astype(np.float64)
    levels *= found.sign / raster.white
    return float((levels >= np.percentile(levels, _BRIGHTEST) - _ONE_LEVEL).mean())


def _step(found: ScoutAnalysis) -> float:
    """Return the largest jump between lines that nearly the whole line takes, as a fraction of the contrast."""
    rows, columns = np.flatnonzero(found.field.any(axis=1)), np.flatnonzero(found.field.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    values, field = found.scout.values[box], found.field[box]
    return max(_largest_jump(values, field), _largest_jump(values.T, field.T)) / max(found.animal.contrast, 1e-6)


def _largest_jump(values: Plane, field: Mask) -> float:
    sampled, inside = values[:, ::_STEP_STRIDE], field[:, ::_STEP_STRIDE]
    changes = sampled[_STEP_LINES:] - sampled[:-_STEP_LINES]
    if not changes.size:
        return 0.0
    if not inside.all():
        # Tilted edges bound the field: a jump counts within it, and a short line proves nothing.
        both = inside[_STEP_LINES:] & inside[:-_STEP_LINES]
        long = both.mean(axis=1) >= _STEP_LEAST_LINE
        if not long.any():
            return 0.0
        changes = np.where(both, changes, np.nan)[long]
    quantile = np.quantile if inside.all() else np.nanquantile
    least, most = quantile(changes, (1 - _STEP_PART, _STEP_PART), axis=1)
    return max(float(least.max()), float(-most.min()), 0.0)


def _touching(animal: FoundAnimal, field: Mask) -> float:
    """Return the length of the animal on the edge of the open field, over the square root of its area.

    Each pixel is weighted by its level, up to the animal's median: skin that thins out at the edge is not cut off.
    """
    walled = np.pad(field.astype(np.uint8), 1)
    rim = field & (cv2.erode(walled, np.ones((3, 3), np.uint8))[1:-1, 1:-1] == 0) & animal.mask
    levels = animal.excess / max(float(np.median(animal.excess[animal.mask])), 1e-6)
    return float(np.clip(levels[rim], 0, 1).sum()) / float(np.sqrt(animal.mask.sum()))


@dataclass(frozen=True)
class QualityRule:
    """Reject with `reason` when `score` is below (or above) the field `limit` of Limits; `message` is the cause."""

    reason: str
    score: str
    side: Literal["below", "above"]
    limit: str
    message: str

    def broken(self, scores: Mapping[str, float], limits: Limits) -> bool:
        """Return whether the image breaks this rule."""
        value, limit = scores[self.score], float(getattr(limits, self.limit))
        return value < limit if self.side == "below" else value > limit


PICTURE_RULES: Final = (
    QualityRule("blank", "stored_range", "below", "least_stored_range", "the stored values are almost all the same"),
    QualityRule("blank", "outline", "below", "least_outline", "the only object has no outline"),
    QualityRule("low_contrast", "contrast", "below", "least_contrast", "the animal hardly differs from the background"),
    QualityRule(
        "over_exposed", "saturated", "above", "most_saturated", "much of the animal is at the end of the scale"
    ),
    QualityRule("over_exposed", "tissue_contrast", "below", "least_tissue_contrast", "the animal is a silhouette"),
    QualityRule("under_exposed", "signal_to_noise", "below", "least_signal_to_noise", "the animal is hidden in noise"),
    QualityRule("sharp_steps", "step", "above", "most_step", "the brightness jumps between lines"),
    QualityRule("several_animals", "animals", "above", "most_animals", "more than one animal"),
    QualityRule(
        "not_whole_body", "touching", "above", "most_touching_whole_body", "much of the animal is outside the image"
    ),
)
"""Checked before the view is known: they apply to any X-ray."""
FRAMING_RULES: Final = (
    QualityRule("cut_off", "touching", "above", "most_touching", "part of the animal is outside the image"),
    QualityRule("animal_too_small", "animal_side", "below", "least_animal_side", "too few pixels across the animal"),
    QualityRule("body_angle", "body_angle", "above", "most_body_angle", "the head is too far from upright"),
)
"""Checked once the image is known not to be a close-up."""
POSTURE_RULES: Final = (
    QualityRule("motion_blur", "motion", "above", "most_motion", "the animal moved during the exposure"),
    QualityRule("oblique", "oblique", "above", "most_oblique", "the animal is rolled between DV and LAT"),
)
"""Checked last: they take a whole, visible animal for granted."""


def check(rules: tuple[QualityRule, ...], scores: Mapping[str, float], limits: Limits) -> None:
    """Raise Rejected for the first broken rule; message and details give the score and its limit."""
    for rule in rules:
        if rule.broken(scores, limits):
            value, limit = round(scores[rule.score], 4), float(getattr(limits, rule.limit))
            required = f"at least {limit:g} is required" if rule.side == "below" else f"at most {limit:g} is allowed"
            message = f"{rule.message}: {rule.score} is {value:g}, {required}"
            raise Rejected(rule.reason, message, score=rule.score, value=value, limit=limit)
