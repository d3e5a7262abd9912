"""The side on which a tail lies: a DV whose tail curves to the animal's right is probably mirrored."""

from typing import Final

import cv2
import numpy as np

from services.intake.animal.trunk import Mask, Trunk, Vector

_THICKEST: Final = 0.11
"""Half the thickness of a tail is below this fraction of the trunk's length; the narrowest trunk is thicker."""
_LEAST_LENGTH: Final = 0.5
"""Least extent of a tail, as a fraction of the trunk's length: a foot is shorter."""
_AHEAD: Final = 0.15
"""A tail starts at most this fraction of the trunk's length ahead of the trunk's end."""


def tail_side(mask: Mask, trunk: Trunk, heading: Vector) -> float:
    """Return where the tail lies: -1 (left of the axis) to 1 (right of it), head up; 0 when no tail is seen.

    It is the mean of the tail's distances from the axis through its root over their mean size: a tail that stays on
    one side gives 1 or -1, a straight one a value near 0.
    """
    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    radius = min(_THICKEST * trunk.length, 0.5 * float(depth.max()))
    body = cv2.distanceTransform((depth <= radius).astype(np.uint8), cv2.DIST_L2, 5) <= radius
    thin = mask & ~body
    forward, right = heading, np.array([-heading[1], heading[0]])
    rows, columns = np.nonzero(body & mask)
    end = float((columns * forward[0] + rows * forward[1]).min())
    near = cv2.dilate((body & mask).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    count, labels, stats, _ = cv2.connectedComponentsWithStats(thin.astype(np.uint8), connectivity=8)
    best, side = _LEAST_LENGTH * trunk.length, 0.0
    for number in range(1, count):
        extent = float(np.hypot(*stats[number, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]))
        if extent < best:
            continue
        rows, columns = np.nonzero(labels == number)
        ahead = columns * forward[0] + rows * forward[1] - end
        across = columns * right[0] + rows * right[1]
        root = near[rows, columns]
        if not root.any() or float(ahead[root].mean()) > _AHEAD * trunk.length:
            continue
        best, off = extent, across - float(across[root].mean())
        far = np.abs(off) + 1e-6
        side = float(off.sum() / far.sum()) * min(float(far.mean()) / (_STRAIGHT * extent), 1.0)
    return side


_STRAIGHT: Final = 0.12
"""A tail whose mean distance from the axis is below this fraction of its extent is not on a side."""
