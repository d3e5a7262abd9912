"""Small changes of a fused tensor that leave its labels true: shift, rotation, scale, gain. Never a mirror flip."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]

SHIFT: Final = 6.0
"""Pixels of 224, either way."""
ROTATION: Final = 4.0
"""Degrees, either way."""
SCALE: Final = 0.05
"""Share, either way."""
GAIN: Final = 0.15
"""Share of the grey levels, either way."""


def augment(images: Images, random: np.random.Generator) -> Images:
    """Change each of uint8 [n, side, side, 3] by its own random amounts."""
    return np.stack([_changed(image, random) for image in images])


def _changed(image: Images, random: np.random.Generator) -> Images:
    right, down, turn, zoom, gain = random.uniform(-1, 1, size=5)
    side = image.shape[0]
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), turn * ROTATION, 1 + zoom * SCALE)
    matrix[:, 2] += np.array([right, down]) * SHIFT * side / 224
    moved = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.convertScaleAbs(moved, alpha=1 + gain * GAIN), dtype=np.uint8)
