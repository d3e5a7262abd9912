"""From the image to the stored view in one resampling step: turn, crop, scale, pad and normalise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.preprocessing import VIEW_SIDE
from services.intake.animal.find import ScoutAnalysis
from services.intake.animal.mask import FoundAnimal
from services.intake.animal.trunk import Mask, Plane, Vector
from services.intake.raster import Raster, reduced

_MARGIN: Final = 0.03
"""Free border on each side, as a fraction of the animal's longer side."""
_FINEST: Final = 4
"""Most samples per view pixel and axis; a larger image is first reduced by a whole factor."""
_OTHERS_GROWN: Final = 4
"""Other objects are removed together with this many scout pixels around them."""
_BLACK_NOISE: Final = 2.0
"""Black is this many standard deviations above the background, so that padding and background look the same."""
_WHITE_PERCENTILE: Final = 99.7
_WHITE_LEVEL: Final = 250.0
"""Grey level of the `_WHITE_PERCENTILE` of the animal's pixels."""


@dataclass(frozen=True)
class ViewAxes:
    """Unit vectors (x, y) of the image that become the view's rightward and downward axes."""

    right: Vector
    down: Vector


@dataclass(frozen=True)
class Crop:
    """The square of the image (in pixels) that becomes the view: centre (x, y), side and pose."""

    centre: Vector
    side: float
    pose: ViewAxes

    def to_picture(self, side: int) -> NDArray[np.float64]:
        """Return the affine map [2, 3] from pixel indices of a `side` x `side` view to pixel indices of the image."""
        step = self.side / side
        linear = np.stack([self.pose.right, self.pose.down], axis=1) * step
        origin = self.centre - linear @ np.full(2, (side - 1) / 2)
        return np.concatenate([linear, origin[:, None]], axis=1)

    def reduced(self, factor: int) -> Crop:
        """Return the same square on a copy of the image that is reduced by a whole factor."""
        return Crop((self.centre + 0.5) / factor - 0.5, self.side / factor, self.pose)


def head_up(heading: Vector) -> ViewAxes:
    """Return the pose in which `heading` points up; it never mirrors the image."""
    return ViewAxes(right=np.array([-heading[1], heading[0]]), down=-heading)


def head_left(heading: Vector, *, mirrored: bool) -> ViewAxes:
    """Return the pose in which `heading` points left, with top and bottom swapped if `mirrored`."""
    down = np.array([heading[1], -heading[0]])
    return ViewAxes(right=-heading, down=-down if mirrored else down)


def crop_around(mask: Mask, pose: ViewAxes, factor: int) -> Crop:
    """Return the smallest square in this pose that contains the mask and a margin.

    `mask` is in scout pixels, each of `factor` x `factor` image pixels.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate(contours)[:, 0, :].astype(np.float64)
    along = points @ np.stack([pose.right, pose.down], axis=1)
    low, high = along.min(axis=0) - 0.5, along.max(axis=0) + 0.5
    middle = ((low + high) / 2) @ np.stack([pose.right, pose.down])
    side = float((high - low).max()) * (1 + 2 * _MARGIN)
    return Crop((middle + 0.5) * factor - 0.5, side * factor, pose)


def warped(image: NDArray[Any], affine: NDArray[np.float64], side: int, *, beyond: float | None = None) -> NDArray[Any]:
    """Resample bilinearly to `side` x `side`; outside, the image is `beyond`, or its edge pixels by default."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REPLICATE if beyond is None else cv2.BORDER_CONSTANT
    filled = 0.0 if beyond is None else beyond
    return np.asarray(cv2.warpAffine(image, affine, (side, side), flags=flags, borderMode=border, borderValue=filled))


def render(raster: Raster, found: ScoutAnalysis, crop: Crop) -> Plane:
    """Resample to float32 [448, 448]: the excess over the background as a fraction of full scale, bone bright.

    It is 0 outside the image, beyond the collimator blades and at markers.
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
    """Return the stored view, uint8 [448, 448].

    Black is the background's noise, level 250 the animal's 99.7th percentile.
    """
    small = crop.reduced(found.factor).to_picture(VIEW_SIDE)
    inside = warped(found.animal.mask.astype(np.float32), small, VIEW_SIDE) > 0.5
    outside = excess[~inside & (excess != 0)]
    noise = 1.4826 * float(np.median(np.abs(outside))) if outside.size else 0.0
    white = float(np.percentile(excess[inside], _WHITE_PERCENTILE))
    black = min(_BLACK_NOISE * noise, white / 4)
    levels = (excess - np.float32(black)) * np.float32(_WHITE_LEVEL / max(white - black, 1e-6))
    return np.asarray(np.rint(np.clip(levels, 0, 255)), dtype=np.uint8)


def _kept(animal: FoundAnimal, affine: NDArray[np.float64]) -> Plane:
    """Return 1 where the image is kept, 0 where background replaces it, and values in between at the border."""
    removed = cv2.dilate(animal.others.astype(np.uint8), np.ones((2 * _OTHERS_GROWN + 1,) * 2, np.uint8))
    kept = ((removed == 0) | animal.mask).astype(np.float32)
    return np.asarray(warped(kept, affine, VIEW_SIDE, beyond=0), dtype=np.float32)
