"""The solids that form a simulated mouse, and the frames in which they are placed.

World axes in millimetres: x cranial, y to the animal's left, z dorsal (right-handed).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, radians, sin

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frame:
    """An origin (3,) and three unit axes, the columns of `axes` (3x3): cranial, left, dorsal."""

    origin: Points
    axes: Points

    def at(self, local: ArrayLike) -> Points:
        """World coordinates of local points; shape (3,) or (n, 3), millimetres."""
        world: Points = self.origin + np.asarray(local, dtype=np.float64) @ self.axes.T
        return world

    def turned(self, pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Frame:
        """The same origin with the axes rotated by degrees about its left, dorsal and cranial axes."""
        return Frame(self.origin, self.axes @ rotation(pitch, yaw, roll))

    def moved(self, local: ArrayLike) -> Frame:
        """The same axes at a local point."""
        return Frame(self.at(local), self.axes)


def rotation(pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Points:
    """Rotation matrix (3, 3) from degrees: roll lifts the left side, then pitch the front, then yaw turns left."""
    sp, cp = sin(radians(pitch)), cos(radians(pitch))
    sy, cy = sin(radians(yaw)), cos(radians(yaw))
    sr, cr = sin(radians(roll)), cos(radians(roll))
    return np.array(
        [
            [cy * cp, -sy * cr - cy * sp * sr, sy * sr - cy * sp * cr],
            [sy * cp, cy * cr - sy * sp * sr, -cy * sr - sy * sp * cr],
            [sp, cp * sr, cp * cr],
        ]
    )


@dataclass(frozen=True, slots=True)
class Tubes:
    """Cylinders or cones with flat ends: arrays of n starts and ends (n, 3), radii, densities and part numbers."""

    start: Points
    end: Points
    start_radius: Points
    end_radius: Points
    density: Points
    part: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ellipsoids:
    """Ellipsoids: centres (n, 3), shape matrices A A^T (n, 3, 3) of semi-axis columns A, densities, part numbers."""

    centre: Points
    shape: Points
    density: Points
    part: NDArray[np.int64]


@dataclass(slots=True)
class Solids:
    """Collects tubes and ellipsoids, each assigned to a named part; `scale` multiplies every length.

    Densities are relative (1 = mouse cortical bone, or muscle in a soft-tissue set); a hollow is a second solid of
    negative density inside the first, so ray thicknesses remain sums of analytic ones.
    """

    scale: float = 1.0
    parts: dict[str, int] = field(default_factory=dict)
    _tubes: list[Points] = field(default_factory=list)
    _ellipsoids: list[Points] = field(default_factory=list)

    def tubes(self, part: str, starts: Points, ends: Points, radii: ArrayLike, density: ArrayLike = 1.0) -> None:
        """Add n tubes of shape (n, 3) ends; `radii` is (n,), a scalar, or (n, 2) for cones (start, end)."""
        rows = np.empty((len(starts), 10))
        rows[:, 0:3], rows[:, 3:6] = starts, ends
        radius = np.asarray(radii, dtype=np.float64)
        rows[:, 6:8] = radius if radius.ndim == 2 else radius.reshape(-1, 1)
        rows[:, 8], rows[:, 9] = density, self._number(part)
        self._tubes.append(rows)

    def chain(self, part: str, points: ArrayLike, radii: ArrayLike, density: float = 1.0, marrow: float = 0.0) -> None:
        """Add a curve of tubes through (n, 3) points, radius per point or one for all.

        `marrow` is the hollow's radius as a share of the outer one (0 = solid).
        """
        path = np.asarray(points, dtype=np.float64)
        pairs = np.empty((len(path) - 1, 2))
        radius = np.asarray(radii, dtype=np.float64)
        pairs[:, 0], pairs[:, 1] = (radius[:-1], radius[1:]) if radius.ndim else (radius, radius)
        self.tubes(part, path[:-1], path[1:], pairs, density)
        if marrow:
            self.tubes(part, path[:-1], path[1:], pairs * marrow, -0.8 * density)

    def ellipsoids(self, part: str, centres: Points, shapes: Points, density: ArrayLike = 1.0) -> None:
        """Add n ellipsoids of centres (n, 3) and shape matrices (n, 3, 3)."""
        rows = np.empty((len(centres), 14))
        rows[:, 0:3], rows[:, 3:12] = centres, shapes.reshape(-1, 9)
        rows[:, 12], rows[:, 13] = density, self._number(part)
        self._ellipsoids.append(rows)

    def ellipsoid(
        self, part: str, centre: Points, semi_axes: Points, density: float = 1.0, wall: float | None = None
    ) -> None:
        """Add an ellipsoid of semi-axis columns (3x3); with a `wall` in millimetres only its shell."""
        columns = semi_axes[None]
        densities = [density]
        if wall is not None:
            lengths = np.sqrt((semi_axes**2).sum(axis=0))
            columns = np.stack((semi_axes, semi_axes * np.maximum(lengths - wall, 0.05) / lengths))
            densities.append(-density)
        self.ellipsoids(part, np.broadcast_to(centre, (len(columns), 3)), columns @ columns.swapaxes(1, 2), densities)

    def blob(
        self,
        part: str,
        frame: Frame,
        at: ArrayLike,
        size: ArrayLike,
        *,
        density: float = 1.0,
        wall: float | None = None,
    ) -> None:
        """Add an ellipsoid at a local point of a frame with semi-axes (cranial, left, dorsal) along the frame's."""
        self.ellipsoid(part, frame.at(at), frame.axes * np.asarray(size, dtype=np.float64), density, wall)

    def all_tubes(self) -> Tubes:
        """Every tube as arrays."""
        rows = np.concatenate(self._tubes) if self._tubes else np.empty((0, 10))
        start, end, radii = (rows[:, first : first + 3] * self.scale for first in (0, 3, 6))
        return Tubes(start, end, radii[:, 0], radii[:, 1], rows[:, 8], rows[:, 9].astype(np.int64))

    def all_ellipsoids(self) -> Ellipsoids:
        """Every ellipsoid as arrays."""
        rows = np.concatenate(self._ellipsoids) if self._ellipsoids else np.empty((0, 14))
        shape = rows[:, 3:12].reshape(-1, 3, 3) * self.scale**2
        return Ellipsoids(rows[:, 0:3] * self.scale, shape, rows[:, 12], rows[:, 13].astype(np.int64))

    def _number(self, part: str) -> int:
        return self.parts.setdefault(part, len(self.parts))
