"""Things beside the animal that stop the beam: collimator blades and lead letters."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.imaging.radiograph import Box
from training.simulation.imaging.rays import Picture
from training.simulation.imaging.technique import Technique

_LEAD: Final = 0.01


def collimate(primary: Picture, technique: Technique, rng: np.random.Generator) -> tuple[Box, Picture]:
    """Darken what the blades cover; returns the exposed field and the picture."""
    height, width = primary.shape
    if technique.collimator <= 0.0:
        return Box(0, 0, height, width), primary
    inset_x = round(technique.collimator * width)
    inset_y = round(technique.collimator * height) if rng.random() < 0.5 else 0
    field = Box(inset_y, inset_x, height - inset_y, width - inset_x)
    blades = np.full((height, width), np.float32(rng.uniform(0.02, 0.9) ** 0.5))
    blades[field.top : field.bottom, field.left : field.right] = 1.0
    soft = cv2.GaussianBlur(blades, (0, 0), width * 0.002)
    return field, primary * soft


def place_marker(
    primary: Picture, mask: NDArray[np.bool_], field: Box, letter: str, rng: np.random.Generator
) -> Picture:
    """Lay a lead letter in the corner of the field that is freest of the animal."""
    size = round(0.05 * max(primary.shape) * float(rng.uniform(0.7, 1.2)))
    inset = size // 2
    corners = [
        (y, x)
        for y in (field.top + inset, field.bottom - inset - size)
        for x in (field.left + inset, field.right - inset - size)
    ]
    covered = [mask[y : y + size, x : x + size].mean() for y, x in corners]
    free = [corner for corner, share in zip(corners, covered, strict=True) if share == min(covered)]
    y, x = free[int(rng.integers(len(free)))]
    stamp = np.zeros((size, size), dtype=np.uint8)
    cv2.putText(
        stamp, letter, (size // 6, size * 5 // 6), cv2.FONT_HERSHEY_SIMPLEX, size / 32.0, 255, max(size // 8, 2)
    )
    if rng.random() < 0.3:
        stamp = np.ascontiguousarray(stamp[:, ::-1])
    lead = cv2.GaussianBlur(stamp, (3, 3), 0).astype(np.float32) / 255.0
    marked = primary.copy()
    marked[y : y + size, x : x + size] *= 1.0 - lead * (1.0 - _LEAD)
    return marked
