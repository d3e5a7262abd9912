"""Bones as closed shells around marrow, and their collection as triangles for projection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.simulation.imaging.triangles import Triangles
from training.simulation.skeleton.meshes import BoneMesh, Faces, closed, coarsened, cut, hollow, joined, loose_parts
from training.simulation.solids import Points

Move = Callable[[Points], Points]
_SPONGY: Final = 0.26
"""Usual density of the marrow with its spongy bone, as a share of the wall's."""


@dataclass(frozen=True, slots=True)
class Shell:
    """The outer surface of a bone, and the vertices (n, 3) of the same faces around its marrow.

    `density` is the wall's (1 is cortical bone), `filling` the marrow's as a share of it.
    """

    outer: BoneMesh
    inner: Points
    density: float
    filling: float = _SPONGY

    def moved(self, move: Move) -> Shell:
        """The shell with both surfaces moved by the same function of vertices (n, 3)."""
        return replace(self, outer=self.outer.with_vertices(move(self.outer.vertices)), inner=move(self.inner))

    def mirrored(self) -> Shell:
        """The mirror image about the plane y = 0."""
        return replace(self, outer=self.outer.mirrored(), inner=self.inner * np.array([1.0, -1.0, 1.0]))

    def mirrored_faces(self) -> Shell:
        """The same vertices with faces the other way round, for a move that mirrors them."""
        return replace(self, outer=BoneMesh(self.outer.vertices, self.outer.faces[:, ::-1]))

    def cut(self, upper: NDArray[np.bool_]) -> tuple[Shell, Shell]:
        """Two shells, open to each other: of the faces with all vertices in `upper` (bool [n]), and of the others."""
        inner = self.outer.with_vertices(self.inner)
        outers, inners = cut(self.outer, upper), cut(inner, upper)
        first, second = (
            replace(self, outer=outer, inner=marrow.vertices) for outer, marrow in zip(outers, inners, strict=True)
        )
        return first, second


def shell(mesh: BoneMesh, wall: float, density: float, filling: float = _SPONGY) -> Shell:
    """A bone with a wall in millimetres: holes closed, details below the pictures' resolution merged."""
    parts = []
    for part in loose_parts(mesh):
        whole = closed(part)
        cell = float(np.clip(0.035 * np.ptp(whole.box(), axis=0).max(), 0.22, 0.42))
        parts.append(coarsened(whole, cell))
    inner = np.concatenate([hollow(part, wall) for part in parts])
    return Shell(joined(parts), inner, density, filling)


@dataclass(slots=True)
class BoneSet:
    """Collects posed shells, each assigned to a named part."""

    parts: dict[str, int]
    _vertices: list[Points] = field(default_factory=list)
    _faces: list[Faces] = field(default_factory=list)
    _rows: list[tuple[int, float, int]] = field(default_factory=list)
    _count: int = 0

    def add(self, part: str, bone: Shell, move: Move) -> None:
        """Add a bone, both surfaces placed by `move`."""
        number = self.parts.setdefault(part, len(self.parts))
        size = len(bone.outer.vertices)
        posed = move(np.concatenate((bone.outer.vertices, bone.inner)))
        self._vertices.append(posed)
        for start, density in ((0, bone.density), (size, -(1.0 - bone.filling) * bone.density)):
            self._faces.append(bone.outer.faces + (self._count + start))
            self._rows.append((len(bone.outer.faces), density, number))
        self._count += len(posed)

    def triangles(self, scale: float) -> Triangles:
        """All bones with every length multiplied by `scale`."""
        counts, densities, numbers = zip(*self._rows, strict=True)
        return Triangles(
            vertices=np.concatenate(self._vertices) * scale,
            faces=np.concatenate(self._faces),
            density=np.repeat(np.array(densities), counts),
            part=np.repeat(np.array(numbers, dtype=np.int64), counts),
        )
