"""Geometry of a view: how the picture is turned, and which square of it is kept.

From the picture to the stored view in one resampling step: turn, crop, scale, pad, normalise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.preprocessing import VIEW_SIDE
from services.intake.animal.find import ScoutAnalysis
from services.intake.animal.mask import Animal
from services.intake.animal.trunk import Mask, Plane, Vector
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


def render(raster: Raster, found: ScoutAnalysis, crop: Crop) -> Plane:
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


def normalise(excess: Plane, found: ScoutAnalysis, crop: Crop) -> NDArray[np.uint8]:
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


_MARGIN: Final = 0.03
"""Free border on each side, in parts of the animal's longer side."""


@dataclass(frozen=True)
class ViewAxes:
    """Unit vectors (x, y) of the picture that become the view's rightward and downward axes."""

    right: Vector
    down: Vector


@dataclass(frozen=True)
class Crop:
    """Square of the picture (pixels) that becomes the view: centre (x, y), side, and how it is turned."""

    centre: Vector
    side: float
    pose: ViewAxes

    def to_picture(self, side: int) -> NDArray[np.float64]:
        """Affine [2, 3] from pixel indices of a `side` x `side` view to pixel indices of the picture."""
        step = self.side / side
        linear = np.stack([self.pose.right, self.pose.down], axis=1) * step
        origin = self.centre - linear @ np.full(2, (side - 1) / 2)
        return np.concatenate([linear, origin[:, None]], axis=1)

    def reduced(self, factor: int) -> Crop:
        """The same square on a copy of the picture that is reduced by a whole factor."""
        return Crop((self.centre + 0.5) / factor - 0.5, self.side / factor, self.pose)


def head_up(heading: Vector) -> ViewAxes:
    """Turn the picture so that `heading` points up; never a mirror image."""
    return ViewAxes(right=np.array([-heading[1], heading[0]]), down=-heading)


def head_left(heading: Vector, *, mirrored: bool) -> ViewAxes:
    """Turn the picture so that `heading` points left, and swap top and bottom if `mirrored`."""
    down = np.array([heading[1], -heading[0]])
    return ViewAxes(right=-heading, down=-down if mirrored else down)


def crop_around(mask: Mask, pose: ViewAxes, factor: int) -> Crop:
    """Smallest square in this pose that holds the mask (in scout pixels of `factor` picture pixels) and a margin."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate(contours)[:, 0, :].astype(np.float64)
    along = points @ np.stack([pose.right, pose.down], axis=1)
    low, high = along.min(axis=0) - 0.5, along.max(axis=0) + 0.5
    middle = ((low + high) / 2) @ np.stack([pose.right, pose.down])
    side = float((high - low).max()) * (1 + 2 * _MARGIN)
    return Crop((middle + 0.5) * factor - 0.5, side * factor, pose)


def warped(image: NDArray[Any], affine: NDArray[np.float64], side: int, *, beyond: float | None = None) -> NDArray[Any]:
    """Resample bilinearly to `side` x `side`; past its edge the image is `beyond`, or goes on as it ends."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REPLICATE if beyond is None else cv2.BORDER_CONSTANT
    filled = 0.0 if beyond is None else beyond
    return np.asarray(cv2.warpAffine(image, affine, (side, side), flags=flags, borderMode=border, borderValue=filled))
