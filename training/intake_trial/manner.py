"""What surrounds a mouse in a sound picture: trays, tilted collimator blades, rotated-in corners and burned-in text."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.files import burn_text
from training.simulation.imaging.rays import Picture

Mask = NDArray[np.bool_]

_CLEAR: Final = 0.02
"""Blades and corners keep this fraction of the longer side away from the animal."""
_TILT: Final = 12.0
"""Largest tilt of a collimator blade in degrees."""
_TURN: Final = 45.0
"""Largest turn of a picture in degrees; real ones are turned by up to 45."""


def behind_blades(grey: Picture, animal: Mask, rng: np.random.Generator) -> Picture:
    """Cover the area beyond one to four straight blades, each tilted by up to 12 degrees."""
    covered = np.zeros(animal.shape, dtype=np.float32)
    for edge in rng.permutation(4)[: int(rng.integers(1, 5))]:
        normal = np.radians(90.0 * float(edge) + float(rng.uniform(-_TILT, _TILT)))
        covered[_beyond(animal, normal, rng)] = 1.0
    return behind(grey, covered, rng)


def behind(grey: Picture, covered: Picture, rng: np.random.Generator) -> Picture:
    """Replace the covered part (1 in `covered`) by a blade: one grey level with a little noise and a blurred edge."""
    soft = cv2.GaussianBlur(covered, (0, 0), max(grey.shape) * float(rng.uniform(0.0005, 0.003)))
    noise = rng.normal(float(rng.uniform(0.15, 1.0)), float(rng.uniform(0, 0.01)), grey.shape)
    blade = np.clip(noise, 0, 1).astype(np.float32)
    return np.asarray(grey * (1 - soft) + blade * soft, dtype=np.float32)


def _beyond(animal: Mask, normal: float, rng: np.random.Generator) -> Mask:
    """The pixels on the far side of a straight line that keeps clear of the animal."""
    rows, columns = np.indices(animal.shape, dtype=np.float32)
    along = columns * np.cos(normal) + rows * np.sin(normal)
    low = float(along[animal].max()) + _CLEAR * max(animal.shape) if animal.any() else float(along.mean())
    high = float(along.max())
    return np.asarray(along > (rng.uniform(low, high) if low < high else high), dtype=np.bool_)


def on_tray(transmission: Picture, rng: np.random.Generator) -> Picture:
    """Put the animal on a thin tray, whose edges may cross behind it."""
    height, width = transmission.shape
    plate = np.zeros((height, width), dtype=np.float32)
    size = (float(rng.uniform(0.4, 1.2)) * width, float(rng.uniform(0.4, 1.2)) * height)
    middle = (float(rng.uniform(0.3, 0.7)) * width, float(rng.uniform(0.3, 0.7)) * height)
    corners = cv2.boxPoints((middle, size, float(rng.uniform(-15, 15))))
    cv2.fillPoly(plate, [np.rint(corners).astype(np.int32)], 1.0)
    if rng.random() < 0.5:
        cv2.polylines(plate, [np.rint(corners).astype(np.int32)], True, 2.0, max(width // 150, 2))
    return np.asarray(transmission * np.exp(-plate * float(rng.uniform(0.004, 0.02))), dtype=np.float32)


def turned_in(grey: Picture, animal: Mask, rng: np.random.Generator) -> tuple[Picture, float]:
    """Turn the picture within a frame of the same shape; one level fills its corners (white, black or between).

    Returns the picture and its turn in degrees (counter-clockwise). A picture whose animal would leave the frame stays
    as it is.
    """
    height, width = grey.shape
    filled = float(rng.choice((0.0, 1.0, float(rng.uniform(0.2, 0.9)))))
    degrees = float(rng.uniform(-_TURN, _TURN))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    outline = cv2.warpAffine(animal.astype(np.uint8), turn, (width, height)) > 0
    if outline.sum() < 0.999 * animal.sum() or outline[[0, -1]].any() or outline[:, [0, -1]].any():
        return grey, 0.0
    turned = cv2.warpAffine(grey, turn, (width, height), borderValue=filled)
    return np.asarray(turned, dtype=np.float32), degrees


def with_text(grey: Picture, rng: np.random.Generator) -> Picture:
    """Burn in two lines of text."""
    return burn_text(grey, (f"MOUSE {int(rng.integers(100_000))}", "26 kV  10 s"))
