"""Small changes of pictures that leave their labels true: shift, rotation, scale, gain. Never a mirror flip."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Matrix = NDArray[np.float64]

SHIFT: Final = 6 / 224
"""Share of the side, either way."""
ROTATION: Final = 4.0
"""Degrees, either way."""
SCALE: Final = 0.05
"""Share, either way."""
GAIN: Final = 0.15
"""Share of the grey levels, either way."""


def augment(images: Images, bones: Images | None, random: np.random.Generator) -> tuple[Images, Images | None]:
    """Change each of uint8 [n, side, side, 3] by its own random amounts, and its bone truth in the same way.

    `bones` is uint8 [n, 2, channels, cells, cells]: where bones lie in both views (`training.datasets.bone_truth`).
    """
    moves = [_move(random) for _ in images]
    gains = 1 + GAIN * random.uniform(-1, 1, size=len(images))
    changed = [
        cv2.convertScaleAbs(_moved(image, move, cv2.BORDER_REPLICATE), alpha=gain)
        for image, move, gain in zip(images, moves, gains, strict=True)
    ]
    if bones is None:
        return np.stack(changed), None
    return np.stack(changed), np.stack([_moved_maps(maps, move) for maps, move in zip(bones, moves, strict=True)])


def _move(random: np.random.Generator) -> Matrix:
    """Affine [2, 3] on coordinates whose unit is the picture's side, from its middle."""
    right, down, turn, zoom = random.uniform(-1, 1, size=4)
    matrix = cv2.getRotationMatrix2D((0, 0), turn * ROTATION, 1 + zoom * SCALE)
    matrix[:, 2] = SHIFT * right, SHIFT * down
    return np.asarray(matrix, dtype=np.float64)


def _moved(image: Images, move: Matrix, border: int) -> Images:
    side = image.shape[0]
    middle = np.full(2, (side - 1) / 2)
    shift = move[:, 2] * side + middle - move[:, :2] @ middle
    matrix = np.column_stack([move[:, :2], shift])
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border))


def _moved_maps(maps: Images, move: Matrix) -> Images:
    flat = maps.reshape(-1, *maps.shape[2:])
    # Most channels show nothing: few bones are altered.
    moved = [_moved(one, move, cv2.BORDER_CONSTANT) if one.any() else one for one in flat]
    return np.stack(moved).reshape(maps.shape)
