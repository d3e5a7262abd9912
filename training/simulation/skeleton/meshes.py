"""Closed triangle meshes of single bones: loose parts, cuts, closing, coarsening, hollowing.

The ray thickness of a mesh is a sum of signed depths, so only closed meshes have one. Faces are counter-clockwise seen
from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.simulation.solids import Points

Faces = NDArray[np.int64]
_OPPOSITE: Final = -0.2
"""Vertices whose normals have a smaller product than this lie on opposite sides of a bone."""
_CHUNK: Final = 512


@dataclass(frozen=True, slots=True)
class BoneMesh:
    """Vertices (n, 3) in millimetres and faces (m, 3), indices of vertices."""

    vertices: Points
    faces: Faces

    def with_vertices(self, vertices: Points) -> BoneMesh:
        """The same faces with other vertices (n, 3)."""
        return BoneMesh(vertices, self.faces)

    def mirrored(self) -> BoneMesh:
        """The mirror image about the plane y = 0: a right bone from a left one."""
        return BoneMesh(self.vertices * np.array([1.0, -1.0, 1.0]), self.faces[:, ::-1])

    def box(self) -> Points:
        """Lowest and highest coordinates, (2, 3)."""
        return np.array([self.vertices.min(axis=0), self.vertices.max(axis=0)])

    def volume(self) -> float:
        """Enclosed volume in cubic millimetres."""
        first, second, third = (self.vertices[self.faces[:, i]] for i in range(3))
        return float(np.einsum("ij,ij->", first, np.cross(second, third)) / 6.0)


def joined(meshes: list[BoneMesh]) -> BoneMesh:
    """All meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts.tolist(), strict=True)]
    return BoneMesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces))


def loose_parts(mesh: BoneMesh) -> list[BoneMesh]:
    """The connected parts of a mesh, the one with the most vertices first."""
    label = np.arange(len(mesh.vertices))
    while True:
        least = label[mesh.faces].min(axis=1)
        lower = label.copy()
        for corner in range(3):
            np.minimum.at(lower, mesh.faces[:, corner], least)
        lower = lower[lower]
        if np.array_equal(lower, label):
            break
        label = lower
    roots, sizes = np.unique(label, return_counts=True)
    return [_chosen(mesh, label == root) for root in roots[np.argsort(-sizes, kind="stable")]]


def cut(mesh: BoneMesh, upper: NDArray[np.bool_]) -> tuple[BoneMesh, BoneMesh]:
    """Two closed meshes: of the faces with all vertices in `upper` (bool [n]), and of the other faces."""
    whole = upper[mesh.faces].all(axis=1)
    parts = (_compact(BoneMesh(mesh.vertices, mesh.faces[chosen])) for chosen in (whole, ~whole))
    first, second = (closed(part) for part in parts)
    return first, second


def closed(mesh: BoneMesh) -> BoneMesh:
    """The mesh with every hole closed by a fan of triangles around the centre of its rim."""
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    size = len(mesh.vertices)
    codes, reverse = edges[:, 0] * size + edges[:, 1], edges[:, 1] * size + edges[:, 0]
    rim = edges[~np.isin(codes, reverse)]
    if not len(rim):
        return mesh
    centre = mesh.vertices[np.unique(rim)].mean(axis=0)
    fan = np.column_stack((rim[:, 1], rim[:, 0], np.full(len(rim), size)))
    return BoneMesh(np.vstack((mesh.vertices, centre)), np.concatenate((mesh.faces, fan)))


def coarsened(mesh: BoneMesh, cell: float) -> BoneMesh:
    """The mesh with all vertices of each cubic cell (millimetres) merged: closed meshes stay closed."""
    _, member = np.unique(np.floor(mesh.vertices / cell).astype(np.int64), axis=0, return_inverse=True)
    member = member.ravel()
    count = np.bincount(member)
    sums = [np.bincount(member, weights=mesh.vertices[:, axis]) for axis in range(3)]
    faces = member[mesh.faces]
    kept = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return _compact(BoneMesh(np.column_stack(sums) / count[:, None], faces[kept]))


def hollow(mesh: BoneMesh, wall: float) -> Points:
    """Vertices (n, 3) of the marrow's surface: moved inwards by the wall, or by 0.35 of the bone's thickness there."""
    normals = vertex_normals(mesh)
    depth = np.minimum(wall, 0.35 * _thickness(mesh.vertices, normals))
    inner: Points = mesh.vertices - normals * depth[:, None]
    return inner


def vertex_normals(mesh: BoneMesh) -> Points:
    """Unit normals (n, 3) that point outwards."""
    first, second, third = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    normal = np.cross(second - first, third - first)
    sums = np.zeros_like(mesh.vertices)
    for corner in range(3):
        np.add.at(sums, mesh.faces[:, corner], normal)
    unit: Points = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return unit


def _thickness(vertices: Points, normals: Points) -> Points:
    """Distance (n,) from each vertex to the nearest vertex that looks the other way and lies behind it."""
    found = np.full(len(vertices), np.inf)
    for start in range(0, len(vertices), _CHUNK):
        rows = slice(start, start + _CHUNK)
        apart = vertices[None] - vertices[rows, None]
        away = np.linalg.norm(apart, axis=2)
        behind = -np.einsum("rnk,rk->rn", apart, normals[rows])
        faced = (normals[rows] @ normals.T < _OPPOSITE) & (behind > 0.6 * away) & (away > 1e-6)
        found[rows] = np.where(faced, away, np.inf).min(axis=1)
    return found


def _chosen(mesh: BoneMesh, chosen: NDArray[np.bool_]) -> BoneMesh:
    return _compact(BoneMesh(mesh.vertices, mesh.faces[chosen[mesh.faces[:, 0]]]))


def _compact(mesh: BoneMesh) -> BoneMesh:
    used, faces = np.unique(mesh.faces, return_inverse=True)
    return BoneMesh(mesh.vertices[used], faces.reshape(-1, 3))
