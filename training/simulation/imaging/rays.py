"""Analytic ray thickness of many solids on one picture grid.

Parallel rays run along the third axis of the grid. An ellipsoid of shape matrix S projects to the ellipse of S's upper
2x2 block P, with thickness 2 sqrt(det S / det P) sqrt(1 - u^T P^-1 u). The chord of a ray through a cylinder whose axis
makes the angle theta with the ray is 2 sqrt(r^2 - v^2) / sin(theta), cut by the two end planes. All pixel rows that any
solid covers are listed first, then all their pixels are evaluated at once: no Python loop over solids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.simulation.solids import Ellipsoids, Points, Tubes

Index = NDArray[np.int64]
Picture = NDArray[np.float32]
_LEAST_SINE: Final = 0.09


@dataclass(frozen=True, slots=True)
class Grid:
    """A picture grid.

    `axes` (3x3) holds in its columns the world directions of picture right, picture down and the ray; `origin` is the
    world point of the picture's upper left corner; `step` is millimetres per pixel.
    """

    axes: Points
    origin: Points
    step: float
    height: int
    width: int

    def project(self, points: Points) -> Points:
        """Picture coordinates (right, down, depth) of world points (n, 3), in pixels from the upper left corner."""
        pixels: Points = (points - self.origin) @ self.axes / self.step
        return pixels

    def coarser(self, factor: int) -> Grid:
        """The same field with pixels `factor` times as large."""
        return Grid(self.axes, self.origin, self.step * factor, -(-self.height // factor), -(-self.width // factor))


@dataclass(frozen=True, slots=True)
class Cover:
    """Covered pixels: flat grid index, ray thickness in millimetres times density, and number of the solid."""

    pixel: Index
    thickness: Picture
    solid: Index


@dataclass(frozen=True, slots=True)
class _Rows:
    """Runs of covered pixels: solid, y, first column and length of each."""

    solid: Index
    y: Index
    first: Index
    count: Index

    def pixels(self, width: int) -> tuple[Index, Picture, Index]:
        """Run number, column centre and flat index of every pixel."""
        run = np.repeat(np.arange(len(self.count)), self.count)
        before = np.cumsum(self.count) - self.count
        column = np.arange(len(run)) + (self.first - before)[run]
        return run, column.astype(np.float32) + np.float32(0.5), column + (self.y * width)[run]


def _grid_rows(low: Points, high: Points, height: int) -> tuple[Index, Index]:
    """Solid and y of every grid row between `low` and `high` (one pair per solid, in pixels)."""
    top = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    bottom = np.clip(np.floor(high - 0.5) + 1, 0, height).astype(np.int64)
    count = np.maximum(bottom - top, 0)
    solid = np.repeat(np.arange(len(low)), count)
    y = np.arange(len(solid)) + (top - np.cumsum(count) + count)[solid]
    return solid, y


def _runs(solid: Index, y: Index, low: Points, high: Points, width: int) -> tuple[_Rows, NDArray[np.bool_]]:
    """The non-empty runs between columns `low` and `high`, and which of the given rows they are."""
    first = np.clip(np.ceil(low - 0.5), 0, width).astype(np.int64)
    count = np.clip(np.floor(high - 0.5) + 1, 0, width).astype(np.int64) - first
    kept = count > 0
    return _Rows(solid[kept], y[kept], first[kept], count[kept]), kept


def cover_ellipsoids(solids: Ellipsoids, grid: Grid) -> Cover:
    """All pixels covered by each ellipsoid."""
    centre = grid.project(solids.centre)
    shape = np.einsum("ki,nkl,lj->nij", grid.axes, solids.shape, grid.axes) / grid.step**2
    sxx, sxy, syy = shape[:, 0, 0], shape[:, 0, 1], shape[:, 1, 1]
    area = np.maximum(sxx * syy - sxy**2, 1e-9)
    depth = np.sqrt(np.maximum(np.linalg.det(shape), 0.0)) * grid.step
    scale = (2.0 * solids.density * depth * np.sqrt(syy) / area).astype(np.float32)
    reach = np.sqrt(syy)
    solid, y = _grid_rows(centre[:, 1] - reach, centre[:, 1] + reach, grid.height)
    down = y + 0.5 - centre[solid, 1]
    middle = centre[solid, 0] + sxy[solid] / syy[solid] * down
    half = np.sqrt(np.maximum(area[solid] / syy[solid] * (1.0 - down**2 / syy[solid]), 0.0))
    rows, kept = _runs(solid, y, middle - half, middle + half, grid.width)
    run, x, pixel = rows.pixels(grid.width)
    x -= middle[kept].astype(np.float32)[run]
    inside = (half[kept] ** 2).astype(np.float32)[run] - x * x
    return Cover(pixel, np.sqrt(np.maximum(inside, 0.0)) * scale[rows.solid][run], rows.solid[run])


def cover_tubes(solids: Tubes, grid: Grid) -> Cover:
    """All pixels covered by each tube."""
    line = _Axes.of(solids, grid)
    reach = np.maximum(line.radius, line.end_radius)
    low = np.minimum(line.start[:, :2], line.end[:, :2]) - reach[:, None]
    high = np.maximum(line.start[:, :2], line.end[:, :2]) + reach[:, None]
    solid, y = _grid_rows(low[:, 1], high[:, 1], grid.height)
    down = y + 0.5 - line.start[solid, 1]
    ex, ey = line.along[solid, 0], line.along[solid, 1]
    # A run also stops where the ray is farther than the radius from the axis: |x ey - down ex| <= reach.
    steep = np.maximum(np.abs(ey), 1e-3)
    middle = line.start[solid, 0] + down * ex / np.where(ey < 0, -steep, steep)
    half = reach[solid] / steep
    first, last = np.maximum(low[solid, 0], middle - half), np.minimum(high[solid, 0], middle + half)
    rows, kept = _runs(solid, y, first, last, grid.width)
    run, x, pixel = rows.pixels(grid.width)
    along, across = line.coordinates(rows.solid, down[kept], run, x)
    return Cover(pixel, line.chords(rows.solid[run], along, across), rows.solid[run])


@dataclass(frozen=True, slots=True)
class _Axes:
    """Projected axes of n tubes, in pixels: ends (n, 3), direction in the picture (n, 2), tilt and radii."""

    start: Points
    end: Points
    along: Points
    length: Points
    sine: Points
    cosine: Points
    radius: Points
    end_radius: Points
    density: Points

    @classmethod
    def of(cls, solids: Tubes, grid: Grid) -> _Axes:
        start, end = grid.project(solids.start), grid.project(solids.end)
        axis = end - start
        length = np.maximum(np.linalg.norm(axis, axis=1), 1e-6)
        flat = np.hypot(axis[:, 0], axis[:, 1])
        along = np.where(flat[:, None] > 1e-6, axis[:, :2] / np.maximum(flat, 1e-6)[:, None], [1.0, 0.0])
        # A tube seen exactly end on has no direction in the picture; five degrees of tilt keep the chord finite.
        sine = np.clip(flat / length, _LEAST_SINE, 1.0)
        middle, half = (start + end) / 2, 0.5 * (length * sine)[:, None] * along
        start[:, :2], end[:, :2] = middle[:, :2] - half, middle[:, :2] + half
        radii = solids.start_radius / grid.step, solids.end_radius / grid.step
        return cls(start, end, along, length, sine, np.sqrt(1 - sine**2), *radii, solids.density * grid.step)

    def coordinates(self, solid: Index, down: Points, run: Index, x: Picture) -> tuple[Picture, Picture]:
        """Axial position of the chord's middle and distance from the axis, in pixels, per covered pixel."""
        ex, ey = self.along[solid, 0], self.along[solid, 1]
        left = self.start[solid, 0]
        axial = np.column_stack((ex, down * ey - left * ex)) / self.sine[solid, None]
        lateral = np.column_stack((ey, -down * ex - left * ey))
        a, v = axial.astype(np.float32), lateral.astype(np.float32)
        return x * a[run, 0] + a[run, 1], x * v[run, 0] + v[run, 1]

    def chords(self, solid: Index, along: Picture, across: Picture) -> Picture:
        """Ray thickness (millimetres times density) of each pixel's chord, cut at the tube's flat ends."""
        table = np.column_stack(
            (
                self.length,
                self.radius,
                (self.end_radius - self.radius) / self.length,
                self.sine,
                self.cosine,
                self.density,
            )
        ).astype(np.float32)
        length, radius, taper, sine, cosine, density = (table[:, i][solid] for i in range(6))
        radius = radius + taper * np.clip(along, 0.0, length)
        half = np.sqrt(np.maximum(radius * radius - across * across, 0.0)) / sine
        # Half a pixel of softness at the ends models the detector's sampling.
        spread = np.maximum(half * cosine, np.float32(0.5))
        inside = np.minimum(along + spread, length) - np.maximum(along - spread, 0.0)
        chord: Picture = np.maximum(inside, 0.0) * half / spread * density
        return chord


def add_up(covers: list[Cover], grid: Grid) -> Picture:
    """Sum of all thicknesses, shape (height, width), float32 millimetres."""
    total = np.zeros(grid.height * grid.width)
    for cover in covers:
        total += np.bincount(cover.pixel, weights=cover.thickness, minlength=total.size)
    return np.maximum(total, 0.0).astype(np.float32).reshape(grid.height, grid.width)


def greatest(cover: Cover, group: Index, groups: int, grid: Grid) -> Picture:
    """Greatest thickness within each group of solids, summed over groups: unions of overlapping soft tissue."""
    size = grid.height * grid.width
    layers = np.zeros(groups * size, dtype=np.float32)
    np.maximum.at(layers, cover.pixel + group[cover.solid] * size, cover.thickness)
    total: Picture = layers.reshape(groups, grid.height, grid.width).sum(axis=0)
    return total
