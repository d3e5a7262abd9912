"""Geometry of a view: how the picture is turned, and which square of it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.intake.animal.scout import Mask, Vector

_MARGIN: Final = 0.03
"""Free border on each side, in parts of the animal's longer side."""


@dataclass(frozen=True)
class Pose:
    """Unit vectors (x, y) of the picture that become the view's rightward and downward axes."""

    right: Vector
    down: Vector


@dataclass(frozen=True)
class Crop:
    """Square of the picture (pixels) that becomes the view: centre (x, y), side, and how it is turned."""

    centre: Vector
    side: float
    pose: Pose

    def to_picture(self, side: int) -> NDArray[np.float64]:
        """Affine [2, 3] from pixel indices of a `side` x `side` view to pixel indices of the picture."""
        step = self.side / side
        linear = np.stack([self.pose.right, self.pose.down], axis=1) * step
        origin = self.centre - linear @ np.full(2, (side - 1) / 2)
        return np.concatenate([linear, origin[:, None]], axis=1)

    def reduced(self, factor: int) -> Crop:
        """The same square on a copy of the picture that is reduced by a whole factor."""
        return Crop((self.centre + 0.5) / factor - 0.5, self.side / factor, self.pose)


def head_up(heading: Vector) -> Pose:
    """Turn the picture so that `heading` points up; never a mirror image."""
    return Pose(right=np.array([-heading[1], heading[0]]), down=-heading)


def head_left(heading: Vector, *, mirrored: bool) -> Pose:
    """Turn the picture so that `heading` points left, and swap top and bottom if `mirrored`."""
    down = np.array([heading[1], -heading[0]])
    return Pose(right=-heading, down=-down if mirrored else down)


def crop_around(mask: Mask, pose: Pose, factor: int) -> Crop:
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
