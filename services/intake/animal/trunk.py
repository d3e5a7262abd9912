"""The scout, a small copy of an image on which everything but the final pixels is decided, and the trunk's axis."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.intake.raster import Raster, reduced

LONGEST_SIDE: Final = 384
_CORE: Final = 0.45
"""The trunk is the part of the animal that is deeper than this fraction of its greatest depth."""

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]
"""A point or a direction (x, y), y down."""


@dataclass(frozen=True)
class Scout:
    """`values` float32 [rows, columns] in 0..1; each is the mean of `factor` x `factor` pixels of the image."""

    values: Plane
    factor: int


def scout(raster: Raster) -> Scout:
    """Reduce an image by a whole factor so that its longer side is at most 384 pixels."""
    factor = -(-max(raster.pixels.shape) // LONGEST_SIDE)
    return Scout(reduced(raster.pixels, factor).astype(np.float32) / np.float32(raster.white), factor)


@dataclass(frozen=True)
class Trunk:
    """Unit `axis` (x, y) of the trunk; its sign is arbitrary.

    `length` and `width` are four standard deviations along and across the axis, in scout pixels. `centre` (x, y) is the
    mean of the animal's pixels, each weighted by its squared depth.
    """

    axis: Vector
    length: float
    width: float
    centre: Vector

    @property
    def elongation(self) -> float:
        """Length over width, at least 1."""
        return self.length / max(self.width, 1e-6)


def find_trunk(mask: Mask) -> Trunk:
    """Return the principal axis of the animal's deep part, each pixel weighted by its depth."""
    walled = np.pad(mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(walled, cv2.DIST_L2, 5)[1:-1, 1:-1]
    core = depth > _CORE * float(depth.max())
    rows, columns = np.nonzero(core)
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    weights = np.asarray(depth[core], dtype=np.float64)
    away = points - np.average(points, axis=0, weights=weights)
    spread, axes = np.linalg.eigh((away * weights[:, None]).T @ away / weights.sum())
    thick = np.asarray(depth, dtype=np.float64) ** 2
    across, down = thick.sum(axis=0), thick.sum(axis=1)
    centre = np.array([across @ np.arange(len(across)), down @ np.arange(len(down))]) / across.sum()
    return Trunk(axes[:, 1], 4 * float(np.sqrt(spread[1])), 4 * float(np.sqrt(max(spread[0], 0.0))), centre)
