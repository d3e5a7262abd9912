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


@dataclass(frozen=True)
class Scout:
    """`values` float32 [rows, columns] in 0..1; one value is the mean of `factor` x `factor` pixels of the picture.

    `known` is False where the picture is transparent.
    """

    values: Plane
    factor: int
    known: Mask


def scout(raster: Raster) -> Scout:
    """Reduce a picture by a whole factor until its longer side is at most 384."""
    rows, columns = raster.pixels.shape
    factor = -(-max(rows, columns) // LONGEST_SIDE)
    values = reduced(raster.pixels, factor).astype(np.float32) / np.float32(raster.white)
    if raster.transparent is None:
        return Scout(values, factor, np.ones(values.shape, dtype=np.bool_))
    opaque = np.where(raster.transparent, 0, 255).astype(np.uint8)
    return Scout(values, factor, reduced(opaque, factor) == 255)
