"""From the picture to the stored view in one resampling step: turn, crop, scale, pad, normalise."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.preprocessing import VIEW_SIDE
from services.intake.animal.find import Found
from services.intake.animal.mask import Animal
from services.intake.animal.scout import Plane
from services.intake.crop import Crop, warped
from services.intake.raster import Raster, reduced

_FINEST: Final = 4
"""At most this many samples a view pixel and axis; a larger picture is reduced by a whole factor before."""
_OTHERS_GROWN: Final = 4
"""What is no animal is removed together with this many scout pixels around it."""
_BLACK_NOISE: Final = 2.0
"""Black is this many standard deviations of the background above it, so that padding and background look alike."""
_WHITE_PERCENTILE: Final = 99.7
_WHITE_LEVEL: Final = 250.0
"""This percentile of the animal's pixels gets this grey level."""


def render(raster: Raster, found: Found, crop: Crop) -> Plane:
    """Resample to float32 [448, 448], the excess over the background in parts of full scale, bone bright.

    Outside the picture, beyond the blades and at markers it is 0.
    """
    reduction = int(np.ceil(crop.side / (VIEW_SIDE * _FINEST)))
    samples = int(np.clip(np.ceil(crop.side / VIEW_SIDE / reduction), 1, _FINEST))
    affine = crop.reduced(reduction).to_picture(VIEW_SIDE * samples)
    fine = warped(reduced(raster.pixels, reduction), affine, VIEW_SIDE * samples)
    values = fine if samples == 1 else cv2.resize(fine, (VIEW_SIDE, VIEW_SIDE), interpolation=cv2.INTER_AREA)
    small = crop.reduced(found.factor).to_picture(VIEW_SIDE)
    background = warped(found.surface, small, VIEW_SIDE)
    excess = (values.astype(np.float32) / np.float32(raster.white) - background) * np.float32(found.sign)
    return np.asarray(excess * _kept(found.animal, small), dtype=np.float32)


def normalise(excess: Plane, found: Found, crop: Crop) -> NDArray[np.uint8]:
    """Grey levels of the stored view: black at the background's noise, level 250 at the animal's 99.7th percentile."""
    small = crop.reduced(found.factor).to_picture(VIEW_SIDE)
    inside = warped(found.animal.mask.astype(np.float32), small, VIEW_SIDE) > 0.5
    outside = excess[~inside & (excess != 0)]
    noise = 1.4826 * float(np.median(np.abs(outside))) if outside.size else 0.0
    white = float(np.percentile(excess[inside], _WHITE_PERCENTILE))
    black = min(_BLACK_NOISE * noise, white / 4)
    levels = (excess - np.float32(black)) * np.float32(_WHITE_LEVEL / max(white - black, 1e-6))
    return np.asarray(np.rint(np.clip(levels, 0, 255)), dtype=np.uint8)


def _kept(animal: Animal, affine: NDArray[np.float64]) -> Plane:
    """1 where the picture is kept, 0 where it is replaced by background, softly in between."""
    removed = cv2.dilate(animal.others.astype(np.uint8), np.ones((2 * _OTHERS_GROWN + 1,) * 2, np.uint8))
    kept = ((removed == 0) | animal.mask).astype(np.float32)
    return np.asarray(warped(kept, affine, VIEW_SIDE, beyond=0), dtype=np.float32)
