"""A small copy of a picture on which everything but the final pixels is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.intake.raster import Raster, reduced

LONGEST_SIDE: Final = 384

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]
"""A point or a direction (x, y), y down."""


@dataclass(frozen=True)
class Scout:
    """`values` float32 [rows, columns] in 0..1; one value is the mean of `factor` x `factor` pixels of the picture."""

    values: Plane
    factor: int


def scout(raster: Raster) -> Scout:
    """Reduce a picture by a whole factor until its longer side is at most 384."""
    factor = -(-max(raster.pixels.shape) // LONGEST_SIDE)
    return Scout(reduced(raster.pixels, factor).astype(np.float32) / np.float32(raster.white), factor)
