"""Beam and detector: computes the detected share of the open beam from thicknesses, with collimator and markers.

Beer-Lambert at two energies, 20 and 30 keV (mass attenuation of ICRU soft tissue and cortical bone, NIST XCOM; bone at
the tissue mineral density of a mouse, about 1.2 g/cm3), then scatter, unsharpness and quantum noise.
Collimator blades and lead letters stop the beam as well.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.imaging.radiograph import BLANK, OVER_EXPOSED, Box, Technique
from training.simulation.imaging.rays import Picture

_LEAD: Final = 0.01


def collimate(primary: Picture, technique: Technique, rng: np.random.Generator) -> tuple[Box, Picture]:
    """Darken the area that the blades cover; return the exposed field and the picture."""
    height, width = primary.shape
    if technique.collimator <= 0.0:
        return Box(0, 0, height, width), primary
    inset_x = round(technique.collimator * width)
    inset_y = round(technique.collimator * height) if rng.random() < 0.5 else 0
    field = Box(inset_y, inset_x, height - inset_y, width - inset_x)
    blades = np.full((height, width), np.float32(rng.uniform(0.02, 0.9) ** 0.5))
    if technique.tilt:
        size = (field.right - field.left, field.bottom - field.top)
        corners = cv2.boxPoints(((width / 2, height / 2), size, technique.tilt))
        cv2.fillConvexPoly(blades, np.rint(corners).astype(np.int32), 1.0)
    else:
        blades[field.top : field.bottom, field.left : field.right] = 1.0
    soft = cv2.GaussianBlur(blades, (0, 0), width * 0.002)
    return field, primary * soft


def place_marker(
    primary: Picture, mask: NDArray[np.bool_], field: Box, letter: str, rng: np.random.Generator
) -> Picture:
    """Place a lead letter in the corner of the field with the least of the animal."""
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


SOFT_PER_MM: Final = (0.080, 0.038)
BONE_PER_MM: Final = (0.62, 0.22)
_SCATTER_SHRINK: Final = 8
_STARVED: Final = 0.93


def transmit(soft: Picture, bone: Picture, hardness: float) -> Picture:
    """Share of the beam behind soft tissue and bone (millimetres); `hardness` in [0, 1] is the share of 30 keV."""
    low, high = (
        cv2.exp(cv2.addWeighted(soft, -muscle, bone, -mineral, 0.0))
        for muscle, mineral in zip(SOFT_PER_MM, BONE_PER_MM, strict=True)
    )
    return np.asarray(cv2.addWeighted(low, 1.0 - hardness, high, hardness, 0.0), dtype=np.float32)


def scatter(primary: Picture, share: float, pixel_mm: float) -> Picture:
    """Add scattered radiation: a wide blur of the primary picture, normalised to the open beam."""
    height, width = primary.shape
    small = cv2.resize(primary, (width // _SCATTER_SHRINK, height // _SCATTER_SHRINK), interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(small, (0, 0), 7.0 / (pixel_mm * _SCATTER_SHRINK), borderType=cv2.BORDER_REPLICATE)
    veil = cv2.resize(wide, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.addWeighted(primary, 1.0 / (1.0 + share), veil, share / (1.0 + share), 0.0), dtype=np.float32)


def detect(primary: Picture, technique: Technique, pixel_mm: float, rng: np.random.Generator) -> Picture:
    """Add heel effect, unsharpness and noise at the detector's pixels."""
    height, width = primary.shape
    sigma = technique.blur_mm / pixel_mm
    detected = primary.copy() if sigma < 0.3 else np.asarray(cv2.GaussianBlur(primary, (0, 0), sigma), np.float32)
    tilt = np.linspace(-1, 1, width, dtype=np.float32) * technique.heel[0] + 1.0
    detected *= tilt + np.linspace(-1, 1, height, dtype=np.float32)[:, None] * technique.heel[1]
    photons = technique.photons / (60.0 if technique.trouble == BLANK else 1.0)
    noise = _noise(height, width, rng)
    noise *= cv2.sqrt(np.maximum(detected, 1e-3) * np.float32(1.0 / photons))
    detected += noise
    least = _STARVED if technique.trouble == OVER_EXPOSED else 1e-3
    return np.clip(detected, least, 1.3, out=detected)


def _noise(height: int, width: int, rng: np.random.Generator) -> Picture:
    """Normal deviates (height, width): a quarter is drawn and mirrored for the rest, which is not noticeable."""
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    block = rng.standard_normal((half_height, half_width), dtype=np.float32)
    noise = np.empty((2 * half_height, 2 * half_width), dtype=np.float32)
    noise[:half_height, :half_width] = block
    noise[:half_height, half_width:] = -block[::-1]
    noise[half_height:, :half_width] = block[:, ::-1]
    noise[half_height:, half_width:] = -block[::-1, ::-1]
    return np.ascontiguousarray(noise[:height, :width])
