"""Analytic ray thickness of closed triangle meshes, as signed depths of their faces.

A ray enters and leaves a closed mesh equally often, so the sum of the depths where it leaves, minus those where it
enters, is its way through the mesh. The loop over the faces' pixels is compiled by numba.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from training.simulation.solids import Points

if TYPE_CHECKING:
    from training.simulation.imaging.rays import Grid

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Triangles:
    """Vertices (n, 3) in millimetres, faces (m, 3) counter-clockwise from outside, and density and part of each face.

    The faces of one part and density must form closed surfaces.
    """

    vertices: Points
    faces: Index
    density: Points
    part: Index

    def of_parts(self, numbers: Sequence[int]) -> Points:
        """Vertices (k, 3) of the faces of some parts."""
        vertices: Points = self.vertices[np.unique(self.faces[np.isin(self.part, numbers)])]
        return vertices


NO_TRIANGLES: Final = Triangles(np.empty((0, 3)), np.empty((0, 3), np.int64), np.empty(0), np.empty(0, np.int64))


def sum_triangles(triangles: Triangles, grid: Grid, member: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Sum of the meshes' thicknesses in each layer, float64 [layers, height, width], millimetres times density.

    `member` bool [m, layers] names the layers to which each face is added; by default there is one layer of them all.
    """
    if member is None:
        member = np.ones((len(triangles.faces), 1), dtype=np.bool_)
    sums = np.zeros((member.shape[1], grid.height, grid.width))
    if len(triangles.faces):
        # In a mirrored picture the faces run the other way round.
        weight = triangles.density * grid.step * np.sign(np.linalg.det(grid.axes))
        _add_faces(_projected(triangles, grid), triangles.faces, weight, member, sums)
    return sums


def _projected(triangles: Triangles, grid: Grid) -> Points:
    """Vertices (n, 3) in pixels, with depths relative to the middle of their part: small numbers cancel better."""
    vertices = grid.project(triangles.vertices)
    owner = np.zeros(len(vertices), np.int64)
    owner[triangles.faces] = triangles.part[:, None]
    middle = np.bincount(owner, weights=vertices[:, 2]) / np.maximum(np.bincount(owner), 1)
    vertices[:, 2] -= middle[owner]
    return vertices


@njit(cache=True)
def _add_faces(
    vertices: Points, faces: Index, weight: Points, member: NDArray[np.bool_], sums: NDArray[np.float64]
) -> None:
    """Add each face's signed depth, negative where the ray enters, at every pixel centre that it covers."""
    height, width = sums.shape[1], sums.shape[2]
    for face in range(faces.shape[0]):
        ax, ay, az = vertices[faces[face, 0]]
        bx, by, bz = vertices[faces[face, 1]]
        cx, cy, cz = vertices[faces[face, 2]]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        first, last = max(ceil(min(ax, bx, cx) - 0.5), 0), min(floor(max(ax, bx, cx) - 0.5) + 1, width)
        top, bottom = max(ceil(min(ay, by, cy) - 0.5), 0), min(floor(max(ay, by, cy) - 0.5) + 1, height)
        if area == 0.0 or first >= last or top >= bottom:
            continue
        signed = weight[face] if area > 0.0 else -weight[face]
        for row in range(top, bottom):
            y = row + 0.5
            for column in range(first, last):
                x = column + 0.5
                a = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                b = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                c = 1.0 - a - b
                if a >= 0.0 and b >= 0.0 and c >= 0.0:
                    depth = signed * (a * az + b * bz + c * cz)
                    for layer in range(sums.shape[0]):
                        if member[face, layer]:
                            sums[layer, row, column] += depth
