"""Beam and detector: thicknesses in, detected share of the open beam out.

Beer-Lambert at two energies, 20 and 30 keV (mass attenuation of ICRU soft tissue and cortical bone, NIST XCOM; bone at
the tissue mineral density of a mouse, some 1.2 g/cm3), then scatter, unsharpness and quantum noise.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from training.phantom.imaging.rays import Picture
from training.phantom.imaging.technique import BLANK, OVER_EXPOSED, Technique

SOFT_PER_MM: Final = (0.080, 0.038)
BONE_PER_MM: Final = (0.62, 0.22)
_SCATTER_SHRINK: Final = 8
_STARVED: Final = 0.93


def transmit(soft: Picture, bone: Picture, hardness: float) -> Picture:
    """Share of the beam behind soft tissue and bone (millimetres): `hardness` in [0, 1] is the share of 30 keV."""
    low = np.exp(-SOFT_PER_MM[0] * soft - BONE_PER_MM[0] * bone)
    high = np.exp(-SOFT_PER_MM[1] * soft - BONE_PER_MM[1] * bone)
    primary: Picture = low + np.float32(hardness) * (high - low)
    return primary


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
    sharp = cv2.GaussianBlur(primary, (0, 0), sigma) if sigma > 0.3 else primary.copy()
    tilt = np.linspace(-1, 1, width, dtype=np.float32) * technique.heel[0]
    sharp = sharp * (1.0 + tilt + np.linspace(-1, 1, height, dtype=np.float32)[:, None] * technique.heel[1])
    photons = technique.photons / (60.0 if technique.trouble == BLANK else 1.0)
    noise = rng.standard_normal((height, width), dtype=np.float32)
    detected: Picture = sharp + noise * np.sqrt(np.maximum(sharp, 1e-3) / np.float32(photons))
    if technique.trouble == OVER_EXPOSED:
        detected = np.maximum(detected, np.float32(_STARVED))
    counts: Picture = np.clip(detected, 1e-3, 1.3).astype(np.float32)
    return counts
