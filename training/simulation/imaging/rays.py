"""Analytic ray thickness of many solids on one picture grid.

Parallel rays run along the third axis of the grid. An ellipsoid of shape matrix S projects to the ellipse of S's upper
2x2 block P, with thickness 2 sqrt(det S / det P) sqrt(1 - u^T P^-1 u). The chord of a ray through a cylinder whose axis
makes the angle theta with the ray is 2 sqrt(r^2 - v^2) / sin(theta), cut by the two end planes. What belongs to a whole
solid is computed with numpy, its pixels in `training.simulation.imaging.kernels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.simulation.imaging import kernels
from training.simulation.solids import Ellipsoids, Points, Tubes

Index = NDArray[np.int64]
Picture = NDArray[np.float32]
Sums = NDArray[np.float64]
Member = NDArray[np.bool_]
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


def add_up(grid: Grid, tubes: Tubes | None, ellipsoids: Ellipsoids | None) -> Picture:
    """Sum of all thicknesses (millimetres times density, not below 0), shape (height, width), float32."""
    total = np.zeros((grid.height, grid.width))
    if tubes is not None:
        total += sum_tubes(tubes, grid)[0]
    if ellipsoids is not None:
        total += sum_ellipsoids(ellipsoids, grid)[0]
    return np.maximum(total, 0.0).astype(np.float32)


def sum_tubes(tubes: Tubes, grid: Grid, member: Member | None = None) -> Sums:
    """Sum of the tubes' thicknesses in each layer, float64 [layers, height, width].

    `member` bool [n, layers] names the layers to which each tube is added; by default there is one layer of them all.
    """
    member = _all(len(tubes.part)) if member is None else member
    sums = np.zeros((member.shape[1], grid.height, grid.width))
    kernels.add_tubes(_tube_table(tubes, grid), member, sums)
    return sums


def sum_ellipsoids(ellipsoids: Ellipsoids, grid: Grid, member: Member | None = None) -> Sums:
    """Sum of the ellipsoids' thicknesses in each layer, as `sum_tubes`."""
    member = _all(len(ellipsoids.part)) if member is None else member
    sums = np.zeros((member.shape[1], grid.height, grid.width))
    kernels.add_ellipsoids(_ellipsoid_table(ellipsoids, grid), member, sums)
    return sums


def greatest(ellipsoids: Ellipsoids, group: Index, groups: int, grid: Grid) -> Picture:
    """Greatest thickness within each group of solids, summed over groups: unions of overlapping soft tissue."""
    layers = np.zeros((groups, grid.height, grid.width), dtype=np.float32)
    kernels.greatest_ellipsoids(_ellipsoid_table(ellipsoids, grid), group, layers)
    total: Picture = layers.sum(axis=0)
    return total


def _all(count: int) -> Member:
    return np.ones((count, 1), dtype=np.bool_)


def _ellipsoid_table(solids: Ellipsoids, grid: Grid) -> Points:
    """What `kernels` needs of each ellipsoid [n, 7]: centre, Sxx, Sxy, Syy, area and scale."""
    centre = grid.project(solids.centre)
    shape = np.einsum("ki,nkl,lj->nij", grid.axes, solids.shape, grid.axes) / grid.step**2
    sxx, sxy, syy = shape[:, 0, 0], shape[:, 0, 1], shape[:, 1, 1]
    area = np.maximum(sxx * syy - sxy**2, 1e-9)
    depth = np.sqrt(np.maximum(np.linalg.det(shape), 0.0)) * grid.step
    scale = 2.0 * solids.density * depth * np.sqrt(syy) / area
    return np.column_stack((centre[:, :2], sxx, sxy, syy, area, scale))


def _tube_table(solids: Tubes, grid: Grid) -> Points:
    """What `kernels` needs of each tube [n, 13].

    Both ends in the picture, direction in the picture, length, radius, its growth per pixel of length, sine and cosine
    of the tilt, density, and the greater radius; all lengths in pixels.
    """
    start, end = grid.project(solids.start), grid.project(solids.end)
    axis = end - start
    length = np.maximum(np.linalg.norm(axis, axis=1), 1e-6)
    flat = np.hypot(axis[:, 0], axis[:, 1])
    along = np.where(flat[:, None] > 1e-6, axis[:, :2] / np.maximum(flat, 1e-6)[:, None], [1.0, 0.0])
    # A tube seen exactly end on has no direction in the picture; five degrees of tilt keep the chord finite.
    sine = np.clip(flat / length, _LEAST_SINE, 1.0)
    middle, half = (start + end) / 2, 0.5 * (length * sine)[:, None] * along
    near, far = middle[:, :2] - half, middle[:, :2] + half
    radius, end_radius = solids.start_radius / grid.step, solids.end_radius / grid.step
    taper = (end_radius - radius) / length
    measures = (length, radius, taper, sine, np.sqrt(1 - sine**2), solids.density * grid.step)
    return np.column_stack((near, far, along, *measures, np.maximum(radius, end_radius)))
