"""Landmarks of a mouse: vertebrae, ribs, ends of long bones, skull and pelvis, and where a picture shows them.

A landmark has a fixed position in `LANDMARKS`, so arrays of different mice and pictures compare row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points2 = NDArray[np.float32]

SIDES: Final[Mapping[str, str]] = MappingProxyType({"L": "left", "R": "right"})
"""Names of the sides in landmarks, by the letter in names of bones."""
_VERTEBRAE: Final = {"C": 7, "T": 14, "L": 6, "S": 4, "Ca": 32}
_RIBS: Final = 14
_LONG_BONES: Final = ("humerus", "radius", "femur", "tibia")

LANDMARKS: Final[tuple[str, ...]] = (
    *(f"{region}{number}" for region, count in _VERTEBRAE.items() for number in range(1, count + 1)),
    *(f"rib.{side}.{number}" for side in SIDES.values() for number in range(1, _RIBS + 1)),
    *(f"{bone}.{side}.{end}" for bone in _LONG_BONES for side in SIDES.values() for end in ("proximal", "distal")),
    "skull.nose",
    "skull.occiput",
    "pelvis.left",
    "pelvis.right",
)
"""Vertebrae (middle of the body), ribs (middle of the bony part), joints at both ends of the long bones, tip of the
snout, upper edge of the occiput, and hip joints."""
_ROW: Final[Mapping[str, int]] = MappingProxyType({name: row for row, name in enumerate(LANDMARKS)})


def rib_name(side: str, level: int) -> str:
    """Landmark of the rib of a side ("L" or "R") at a level (0 is the first thoracic vertebra)."""
    return f"rib.{SIDES[side]}.{level + 1}"


def world_landmarks(named: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """World points [len(LANDMARKS), 3] of named landmarks; absent ones are NaN, names without a row are ignored."""
    points = np.full((len(LANDMARKS), 3), np.nan)
    for name, point in named.items():
        if name in _ROW:
            points[_ROW[name]] = point
    return points


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Landmarks in one picture, rows as in `LANDMARKS`.

    `points` float32 [n, 2] are pixel coordinates x, y: 0, 0 is the middle of the upper left pixel. `present` bool [n]
    is False for those that this mouse does not have or that are outside the picture; their points mean nothing.
    """

    points: Points2
    present: NDArray[np.bool_]

    @classmethod
    def none(cls) -> Landmarks:
        """No landmark is present."""
        return cls(np.zeros((len(LANDMARKS), 2), np.float32), np.zeros(len(LANDMARKS), np.bool_))

    @classmethod
    def at(cls, points: NDArray[np.float64]) -> Landmarks:
        """Landmarks at pixel coordinates [n, 2]; those that are NaN are absent."""
        present = np.asarray(np.isfinite(points).all(axis=1), dtype=np.bool_)
        return cls(np.where(present[:, None], points, 0.0).astype(np.float32), present)

    def warped(self, matrix: ArrayLike) -> Landmarks:
        """Landmarks after the warp by a matrix [2, 3] that maps pixels of this picture to those of the new one."""
        affine = np.asarray(matrix, dtype=np.float64)
        moved = self.points @ affine[:, :2].T + affine[:, 2]
        return Landmarks(moved.astype(np.float32), self.present)

    def within(self, left: float, top: float, right: float, bottom: float) -> Landmarks:
        """Landmarks of which those outside the columns [left, right) and rows [top, bottom) are absent."""
        x, y = self.points[:, 0] + 0.5, self.points[:, 1] + 0.5
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        return Landmarks(self.points, self.present & inside)
