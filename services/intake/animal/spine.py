"""Where the spine runs across the trunk: in the middle of a DV, near the back of a LAT, between them when rolled."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.intake.animal.trunk import Mask, Plane

_FIRST, _LAST, _STRIDE = 0.25, 0.75, 4
"""Rows of the trunk picture that are read, as fractions of its side, and the step between them: chest to loin."""
_LEAST_ROWS: Final = 8
_LIMBS: Final = 25
"""Limbs are thinner than this many pixels of the trunk picture."""
_BODY_LEVEL: Final = 0.25
"""The body is where the excess is above this fraction of its median."""
_SPINE_WIDTH: Final = 0.19
"""A spine is narrower than this fraction of the trunk's width."""
_PLACES: Final = np.linspace(0.03, 0.97, 48)
"""Places across the trunk, from its left to its right outline."""
_MOST_SHIFT: Final = 2
"""Places that the spine moves sideways from one row to the next at most."""
_SHIFT_COST: Final = 0.004


def spine_offset(picture: Plane) -> float | None:
    """Return the distance of the spine from the middle of the trunk, 0 to 1 (at the outline); None if not found.

    `picture` is a `trunk_picture`. The spine is the brightest narrow ridge along the trunk.
    """
    soft = cv2.GaussianBlur(np.clip(picture, 0, 1.5), (0, 0), 1.0)
    tone = np.asarray(cv2.blur(soft, (1, 9)), dtype=np.float32)
    body = _body(tone)
    side = len(picture)
    rows = np.arange(int(_FIRST * side), int(_LAST * side) + 1, _STRIDE)
    spans = [(row, *np.flatnonzero(body[row])[[0, -1]]) for row in rows if body[row].any()]
    spans = [(row, first, last) for row, first, last in spans if last - first >= _LIMBS // 2]
    if len(spans) < _LEAST_ROWS:
        return None
    width = float(np.median([last - first for _, first, last in spans]))
    kernel = int(np.clip(_SPINE_WIDTH * width, 7, 19)) | 1
    root = np.sqrt(np.maximum(tone, 0))
    narrow = cv2.morphologyEx(root, cv2.MORPH_TOPHAT, np.ones((1, kernel), np.uint8))
    ridge = np.asarray(cv2.GaussianBlur(narrow, (0, 0), kernel / 12)) / (float(np.median(tone[body])) + 0.05)
    columns = np.arange(side)
    across = [np.interp(first + _PLACES * (last - first), columns, ridge[row]) for row, first, last in spans]
    return abs(float(np.median(_PLACES[_best_path(np.stack(across))])) - 0.5) * 2


def _body(tone: Plane) -> Mask:
    """Return the trunk without limbs."""
    inside = tone[tone > 0.15]
    level = _BODY_LEVEL * float(np.median(inside)) if inside.size else 0.0
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_LIMBS, _LIMBS))
    opened = cv2.morphologyEx((tone > level).astype(np.uint8), cv2.MORPH_OPEN, disc)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    if count < 2:
        return np.zeros(tone.shape, dtype=np.bool_)
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), dtype=np.bool_)


def _best_path(ridges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the column of each row on the path with the greatest sum; it shifts by few columns from row to row."""
    shifts = np.arange(-_MOST_SHIFT, _MOST_SHIFT + 1)
    columns = np.arange(ridges.shape[1])
    before = columns - shifts[:, None]
    outside = (before < 0) | (before >= len(columns))
    total, steps = ridges[0], []
    for row in ridges[1:]:
        reached = np.where(outside, -np.inf, total[before.clip(0, len(columns) - 1)])
        reached = reached - _SHIFT_COST * np.abs(shifts)[:, None]
        steps.append(before[reached.argmax(axis=0), columns])
        total = reached.max(axis=0) + row
    path = [int(total.argmax())]
    for step in reversed(steps):
        path.append(int(step[path[-1]]))
    return np.array(path[::-1])
