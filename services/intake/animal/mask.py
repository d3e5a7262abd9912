"""The animal's outline: the largest object that stands out from the background."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.intake.animal.background import Background
from services.intake.animal.trunk import Mask, Plane

_SURE_NOISE, _SURE_PART = 5.0, 0.08
_FAINT_NOISE, _FAINT_PART = 3.0, 0.03
"""A pixel surely (or faintly) belongs to an object when it is above this many standard deviations of the background and
this fraction of the contrast. Faint pixels count where they touch sure ones."""
_BRIDGE: Final = 3
"""Gaps of this many scout pixels in a thin tail or paw are closed."""
_LARGEST_HOLE: Final = 0.02
"""Holes below this fraction of the animal's area belong to it."""
_LEAST_PART: Final = 0.01
"""An animal covers at least this fraction of the field."""
_SECOND_ANIMAL: Final = 0.4
"""A second object with at least this fraction of the largest one's area, neither flat nor thin, is a second animal."""
_BODY_LEVEL: Final = 0.3
"""Bodies are where the excess is above this fraction of the mask's median; the halo that joins neighbours is not."""
_BODY_CORE, _SECOND_CORE = 0.5, 0.3
"""Bodies are counted by their cores (deeper than the first fraction of the greatest depth) that have at least the
second fraction of the largest core's area."""


@dataclass(frozen=True)
class FoundAnimal:
    """The animal in scout pixels.

    `mask` bool [rows, columns] is the largest object including tail and paws. `others` marks all further objects
    (markers, text, blades). `excess` float32 is the image minus its background, bone bright; `contrast` is its 99.5th
    percentile and `noise` the background's standard deviation. `count` is the number of animals.
    """

    mask: Mask
    others: Mask
    excess: Plane
    contrast: float
    noise: float
    count: int


def find_animal(excess: Plane, background: Background, inside: Mask) -> FoundAnimal | None:
    """Find the animal in an image minus its background, bone bright; None when no object stands out."""
    smooth = np.asarray(cv2.GaussianBlur(excess, (3, 3), 0), dtype=np.float32)
    contrast = float(np.percentile(smooth[::2, ::2][inside[::2, ::2]], 99.5))
    sure = (smooth > max(_SURE_NOISE * background.noise, _SURE_PART * contrast)) & inside
    faint = (smooth > max(_FAINT_NOISE * background.noise, _FAINT_PART * contrast)) & inside
    labels, areas = _objects(_touching(faint, sure))
    if len(areas) == 0 or areas.max() < _LEAST_PART * inside.sum():
        return None
    largest = int(areas.argmax()) + 1
    mask = labels == largest
    count = 1 + sum(
        _like_an_animal(labels == number + 1)
        for number in np.flatnonzero(areas >= _SECOND_ANIMAL * areas.max())
        if number + 1 != largest
    )
    count = max(count, _bodies(mask, excess))
    others = ((labels > 0) & ~mask) | ~inside
    return FoundAnimal(_without_small_holes(mask), others, excess, contrast, background.noise, count)


def _touching(faint: Mask, sure: Mask) -> Mask:
    bridged = cv2.morphologyEx(faint.astype(np.uint8), cv2.MORPH_CLOSE, _disc(_BRIDGE))
    _, labels = cv2.connectedComponents(bridged, connectivity=8)
    kept = np.zeros(int(labels.max()) + 1, dtype=np.bool_)
    kept[labels[sure]] = True
    kept[0] = False
    return np.asarray(kept[labels], dtype=np.bool_)


def _objects(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return np.asarray(labels, dtype=np.int32), np.asarray(stats[1:, cv2.CC_STAT_AREA], dtype=np.int64)


def _without_small_holes(mask: Mask) -> Mask:
    """Fill small holes: gas in the gut is part of the animal, the area that tail and limbs enclose is not."""
    labels, areas = _objects(~mask)
    small = np.concatenate([[False], areas < _LARGEST_HOLE * mask.sum()])
    return np.asarray(mask | small[labels], dtype=np.bool_)


def _bodies(mask: Mask, excess: Plane) -> int:
    """Return the number of trunks in one object: animals that touch have one outline, but one core each."""
    body = mask & (excess > _BODY_LEVEL * float(np.median(excess[mask])))
    depth = cv2.distanceTransform(np.pad(body.astype(np.uint8), 1), cv2.DIST_L2, 5)
    _, areas = _objects(depth > _BODY_CORE * float(depth.max()))
    return int((areas > _SECOND_CORE * areas.max()).sum())


def _like_an_animal(mask: Mask) -> bool:
    thickness = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    box = cv2.minAreaRect(cv2.findNonZero(mask.astype(np.uint8)))[1]
    return float(thickness.max()) > 0.05 * max(mask.shape) and float(mask.sum()) < 0.9 * box[0] * box[1]


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), dtype=np.uint8)
