"""What the network sees: the animal alone, its trunk upright, at one size and one tone."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.intake.animal.find import Found
from services.intake.animal.scout import Mask
from services.intake.animal.trunk import Trunk
from services.intake.crop import crop_around, head_up, warped

INPUT_SIDE: Final = 96
_FINE: Final = 2
"""Samples an input pixel and axis; a scout has some 300 pixels where the network has 96."""


def orientation_input(found: Found, trunk: Trunk, shown: Mask | None = None) -> NDArray[np.uint8]:
    """Return uint8 [96, 96]: the animal within `shown` (its mask by default), the trunk's axis pointing up.

    Which end of the axis is up is arbitrary. Grey is the square root of the excess over the background, so that a faint
    tail is seen beside bright bone.
    """
    mask = found.animal.mask if shown is None else shown
    crop = crop_around(mask, head_up(trunk.axis), 1)
    kept = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    tone = np.sqrt(np.clip(found.animal.excess / max(found.animal.contrast, 1e-6), 0, 1)) * kept
    fine = warped(tone.astype(np.float32), crop.to_picture(INPUT_SIDE * _FINE), INPUT_SIDE * _FINE, beyond=0)
    small = cv2.resize(fine, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_AREA)
    return np.rint(small * 255).astype(np.uint8)
