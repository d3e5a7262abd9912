"""From a decoded picture to its animal: background, blades, polarity, outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.common.errors import Rejected
from services.intake.animal.background import Background, find_background
from services.intake.animal.blades import open_field
from services.intake.animal.mask import Animal, find_animal
from services.intake.animal.scout import Mask, Plane, Scout, scout
from services.intake.raster import Raster


@dataclass(frozen=True)
class Found:
    """All that was learnt from a picture's scout.

    `surface` is the background, float32 like the scout, before polarity is mended; `sign` is 1 when bone is bright
    in the file and -1 when it is dark; `field` is what lies inside the blades.
    """

    scout: Scout
    field: Mask
    background: Background
    surface: Plane
    sign: int
    animal: Animal

    @property
    def factor(self) -> int:
        """Picture pixels a scout pixel."""
        return self.scout.factor


def find(raster: Raster) -> Found:
    """Find the animal; raises Rejected `blank` when nothing stands out from the background."""
    small = scout(raster)
    field = open_field(small)
    background = find_background(small, field)
    sign = 1 if background.polarity >= 0 else -1
    surface = background.surface(*small.values.shape)
    animal = find_animal((small.values - surface) * np.float32(sign), background, field)
    if animal is None:
        raise Rejected("blank", "nothing stands out from the background", noise=round(background.noise, 5))
    return Found(small, field, background, surface, sign, animal)
