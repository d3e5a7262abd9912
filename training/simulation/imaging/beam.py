"""Beam and detector: thicknesses in, detected share of the open beam out.

Beer-Lambert at two energies, 20 and 30 keV (mass attenuation of ICRU soft tissue and cortical bone, NIST XCOM; bone at
the tissue mineral density of a mouse, some 1.2 g/cm3), then scatter, unsharpness and quantum noise.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from training.simulation.imaging.rays import Picture
from training.simulation.imaging.technique import BLANK, OVER_EXPOSED, Technique

SOFT_PER_MM: Final = (0.080, 0.038)
BONE_PER_MM: Final = (0.62, 0.22)
_SCATTER_SHRINK: Final = 8
_STARVED: Final = 0.93


def transmit(soft: Picture, bone: Picture, hardness: float) -> Picture:
    """Share of the beam behind soft tissue and bone (millimetres): `hardness` in [0, 1] is the share of 30 keV."""
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
    """Heel effect, unsharpness and noise at the detector's own pixels."""
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
    """Normal deviates (height, width): a quarter of them drawn, the rest mirrored, which no eye or filter can tell."""
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    block = rng.standard_normal((half_height, half_width), dtype=np.float32)
    noise = np.empty((2 * half_height, 2 * half_width), dtype=np.float32)
    noise[:half_height, :half_width] = block
    noise[:half_height, half_width:] = -block[::-1]
    noise[half_height:, :half_width] = block[:, ::-1]
    noise[half_height:, half_width:] = -block[::-1, ::-1]
    return np.ascontiguousarray(noise[:height, :width])
