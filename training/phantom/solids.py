"""The solids a simulated mouse is made of, and the frames they are placed in.

World axes in millimetres: x cranial, y to the animal's left, z dorsal (right-handed).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frame:
    """A place and three unit axes, the columns of `axes` (3x3): cranial, left, dorsal."""

    origin: Points
    axes: Points

    def at(self, local: ArrayLike) -> Points:
        """World points of local ones; shape (3,) or (n, 3), millimetres."""
        world: Points = self.origin + np.asarray(local, dtype=np.float64) @ self.axes.T
        return world

    def turned(self, pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Frame:
        """The same place with axes turned by degrees about its own left, dorsal and cranial axes in that order."""
        return Frame(self.origin, self.axes @ rotation(pitch, yaw, roll))

    def moved(self, local: ArrayLike) -> Frame:
        """The same axes at a local point."""
        return Frame(self.at(local), self.axes)


def rotation(pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Points:
    """Rotation matrix of degrees: pitch lifts the cranial axis, yaw turns it left, roll lifts the left side."""
    (sp, sy, sr), (cp, cy, cr) = (fn(np.radians((pitch, yaw, roll))) for fn in (np.sin, np.cos))
    about_left = np.array([[cp, 0.0, -sp], [0.0, 1.0, 0.0], [sp, 0.0, cp]])
    about_dorsal = np.array([[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]])
    about_cranial = np.array([[1.0, 0.0, 0.0], [0.0, cr, -sr], [0.0, sr, cr]])
    turned: Points = about_dorsal @ about_left @ about_cranial
    return turned


@dataclass(slots=True)
class Tubes:
    """Cylinders or cones with flat ends: arrays of n starts and ends (n, 3), radii, densities and part numbers."""

    start: Points
    end: Points
    start_radius: Points
    end_radius: Points
    density: Points
    part: NDArray[np.int64]


@dataclass(slots=True)
class Ellipsoids:
    """Ellipsoids: centres (n, 3), shape matrices A A^T (n, 3, 3) of semi-axis columns A, densities, part numbers."""

    centre: Points
    shape: Points
    density: Points
    part: NDArray[np.int64]


@dataclass(slots=True)
class Solids:
    """Grows tubes and ellipsoids, each tied to the named part it belongs to; `scale` multiplies every length.

    Densities are relative (1 = mouse cortical bone, or muscle in a soft-tissue set); a hollow is a second solid of
    negative density inside the first, so that ray thicknesses stay sums of analytic ones.
    """

    scale: float = 1.0
    parts: list[str] = field(default_factory=list)
    _tubes: list[tuple[Points, int]] = field(default_factory=list)
    _ellipsoids: list[tuple[Points, Points, float, int]] = field(default_factory=list)

    def tubes(self, part: str, starts: Points, ends: Points, radii: ArrayLike, density: ArrayLike = 1.0) -> None:
        """Add n tubes of shape (n, 3) ends; `radii` is (n,), a scalar, or (n, 2) for cones (start, end)."""
        rows = np.empty((len(starts), 9))
        rows[:, 0:3], rows[:, 3:6] = starts, ends
        radius = np.asarray(radii, dtype=np.float64)
        rows[:, 6:8] = radius if radius.ndim == 2 else radius.reshape(-1, 1)
        rows[:, 8] = density
        self._tubes.append((rows, self._number(part)))

    def chain(self, part: str, points: ArrayLike, radii: ArrayLike, density: float = 1.0, marrow: float = 0.0) -> None:
        """Add a curve of tubes through (n, 3) points, radius per point or one for all.

        `marrow` is the hollow's radius as a share of the outer one (0 = solid).
        """
        path = np.asarray(points, dtype=np.float64)
        radius = np.broadcast_to(np.asarray(radii, dtype=np.float64), (len(path),))
        pairs = np.column_stack((radius[:-1], radius[1:]))
        self.tubes(part, path[:-1], path[1:], pairs, density)
        if marrow:
            self.tubes(part, path[:-1], path[1:], pairs * marrow, -0.8 * density)

    def ellipsoid(
        self, part: str, centre: Points, semi_axes: Points, density: float = 1.0, wall: float | None = None
    ) -> None:
        """Add an ellipsoid of semi-axis columns (3x3); with a `wall` in millimetres only its shell."""
        number = self._number(part)
        self._ellipsoids.append((centre, semi_axes @ semi_axes.T, density, number))
        if wall is not None:
            lengths = np.linalg.norm(semi_axes, axis=0)
            inner = semi_axes * np.maximum(lengths - wall, 0.05) / lengths
            self._ellipsoids.append((centre, inner @ inner.T, -density, number))

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
        rows = np.concatenate([rows for rows, _ in self._tubes]) if self._tubes else np.empty((0, 9))
        part = [np.full(len(rows), number) for rows, number in self._tubes]
        number = np.concatenate(part) if part else np.empty(0, dtype=np.int64)
        start, end, radii = (rows[:, first : first + 3] * self.scale for first in (0, 3, 6))
        return Tubes(start, end, radii[:, 0], radii[:, 1], rows[:, 8], number.astype(np.int64))

    def all_ellipsoids(self) -> Ellipsoids:
        """Every ellipsoid as arrays."""
        items = self._ellipsoids
        return Ellipsoids(
            np.array([item[0] for item in items]).reshape(-1, 3) * self.scale,
            np.array([item[1] for item in items]).reshape(-1, 3, 3) * self.scale**2,
            np.array([item[2] for item in items]),
            np.array([item[3] for item in items], dtype=np.int64),
        )

    def _number(self, part: str) -> int:
        if not self.parts or self.parts[-1] != part:
            if part in self.parts:
                return self.parts.index(part)
            self.parts.append(part)
        return len(self.parts) - 1
