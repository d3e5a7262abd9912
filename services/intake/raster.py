"""A decoded image, before any check or change."""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

Grey = NDArray[np.unsignedinteger[Any]]
"""uint8 or uint16 [rows, columns]."""


@dataclass(frozen=True)
class Raster:
    """One grey frame as its file specifies its display.

    `pixels` is uint8 or uint16 [rows, columns]; its scale is the type's whole range. `stored_range` is the spread of
    the stored values (0.2nd to 99.8th percentile) as a fraction of the range of their bits, before any window is
    applied. `facts` become part of the view's provenance.
    """

    pixels: Grey
    stored_range: float
    facts: dict[str, JsonValue] = field(default_factory=dict)

    @property
    def white(self) -> int:
        """Largest value that a pixel can have."""
        return int(np.iinfo(self.pixels.dtype).max)


def spread(stored: Grey, bits: int) -> float:
    """Return the spread of integer values, 0.2nd to 99.8th percentile, over 2^bits.

    Only every fourth row and column is read.
    """
    low, high = (float(level) for level in np.percentile(stored[::4, ::4], (0.2, 99.8)))
    return (high - low) / float(2**bits)


def reduced(pixels: Grey, factor: int) -> Grey:
    """Return the mean of every `factor` x `factor` pixels; a remainder at the right and bottom edges is dropped."""
    if factor == 1:
        return pixels
    rows, columns = (side // factor for side in pixels.shape)
    whole = pixels[: rows * factor, : columns * factor]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), dtype=pixels.dtype)
