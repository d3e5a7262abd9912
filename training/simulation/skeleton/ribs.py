"""Ribs of a skeleton: each mesh as a curve and its girth, so that a rib can be bent, shortened, thickened and fused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.simulation.anatomy.plan import BodyPlan, Rib, new_rib
from training.simulation.skeleton.meshes import BoneMesh, cut, joined
from training.simulation.skeleton.shell import Shell, shell
from training.simulation.solids import Points

_DEGREE: Final = 5
_CARTILAGE: Final = 0.6
"""Share of a rib's depth below the spine at which its cartilage begins."""
_FLOATING_MM: Final = 11.0
"""A rib that does not reach this far below the spine has no cartilage, unless it is one of the first."""
_SLANT_MM: Final = (1.5, 3.5)
_BROAD_MM: Final = 9.0
"""The first rib is slanted by 1.5 mm, the ninth and further ones by 5 mm, at this distance from the midline."""
_SIGN: Final = {"L": 1.0, "R": -1.0}
_LAST_SHARE: Final = {12: 0.72, 13: 0.5}
"""Share of the last rib of the skeleton that the ribs at further levels have."""


@dataclass(frozen=True, slots=True)
class RestRib:
    """A left rib relative to the middle of its vertebra: bone, cartilage (None for a floating rib) and its course.

    `course` (degree + 1, 3) are coefficients of the rib's axis as a polynomial of the share of the bony rib: 0 at the
    spine, 1 where the bone ends, above 1 in the cartilage. `middle` is the point (2,) about which shares are angles in
    the plane across, and `end` the angle at share 1.
    """

    bone: Shell
    cartilage: Shell | None
    course: Points
    middle: Points
    end: float

    def share(self, vertices: Points) -> Points:
        """Place (n,) of vertices (n, 3) along the rib."""
        return _angle(vertices, self.middle) / self.end

    def axis(self, share: Points) -> Points:
        """Points (n, 3) of the rib's axis."""
        powers = np.vander(share, _DEGREE + 1)
        points: Points = powers @ self.course
        return points


def rest_ribs(loose: list[list[BoneMesh]]) -> dict[int, RestRib]:
    """Ribs by level (0 to 13) from the left loose parts of each thoracic vertebra.

    Levels for which the skeleton has no rib get a shortened copy of the last one.
    """
    found = {level: _rib(parts, level) for level, parts in enumerate(loose) if parts}
    last = found[max(found)]
    for level, reach in _LAST_SHARE.items():
        if level not in found:
            found[level] = _shortened(last, reach)
    return found


def _rib(parts: list[BoneMesh], level: int) -> RestRib:
    parts = [_slanted(part, level) for part in parts]
    whole = joined(parts)
    low = float(whole.box()[0, 2])
    middle = np.array([0.0, 0.45 * low])
    upper = whole.vertices[:, 2] > _CARTILAGE * low
    floats = level > 7 and low > -_FLOATING_MM
    angle = _angle(whole.vertices, middle)
    end = float(angle.max() if floats else angle[upper & (angle > 0.5)].max())
    course = np.column_stack([np.polyfit(angle / end, whole.vertices[:, axis], _DEGREE) for axis in range(3)])
    if floats:
        return RestRib(shell(whole, 0.13, 1.15), None, course, middle, end)
    bony, gristle = _split(parts, _CARTILAGE * low)
    return RestRib(shell(bony, 0.13, 1.15), shell(gristle, 0.05, 0.32), course, middle, end)


def _slanted(part: BoneMesh, level: int) -> BoneMesh:
    """The part sheared caudally towards its ventral end: at rest, ribs of a skeleton may stand straight out."""
    share = np.clip(part.vertices[:, 1] / _BROAD_MM, 0.0, 1.0)
    caudal = (_SLANT_MM[0] + _SLANT_MM[1] * min(level / 8.0, 1.0)) * share**1.3
    return part.with_vertices(part.vertices - np.column_stack((caudal, np.zeros((len(share), 2)))))


def _split(parts: list[BoneMesh], height: float) -> tuple[BoneMesh, BoneMesh]:
    """Bone and cartilage: loose parts that lie wholly on one side stay whole, others are cut."""
    bony, gristle = [], []
    for part in parts:
        low, high = part.box()[:, 2]
        if low > height - 0.6:
            bony.append(part)
        elif high < height + 0.6:
            gristle.append(part)
        else:
            above, below = cut(part, part.vertices[:, 2] > height)
            bony.append(above)
            gristle.append(below)
    return joined(bony), joined(gristle)


def _shortened(rib: RestRib, reach: float) -> RestRib:
    """The same rib with its bone drawn back to a share of its course."""

    def drawn(vertices: Points) -> Points:
        share = rib.share(vertices)
        moved: Points = vertices - rib.axis(share) + rib.axis(share * reach)
        return moved

    bone = rib.bone.moved(drawn)
    # The course at a share of the shorter rib is the longer one's at `reach` times that share.
    course = rib.course * reach ** np.arange(_DEGREE, -1, -1)[:, None]
    return RestRib(bone, None, course, rib.middle, rib.end * reach)


def _angle(vertices: Points, middle: Points) -> Points:
    """Angle (n,) about the chest's middle (lateral, dorsal), from dorsal towards ventral, radians."""
    angle: Points = np.arctan2(vertices[:, 1] - middle[0], vertices[:, 2] - middle[1])
    return angle


def shaped_rib(rest: RestRib, rib: Rib, plan: BodyPlan, vertices: Points) -> Points:
    """Vertices (n, 3) of a rib or of its cartilage after the changes of the plan, still relative to the vertebra.

    The plan's measures count relative to those of the usual rib of that level.
    """
    usual = new_rib(rib.side, min(rib.level, 13))
    share = rest.share(vertices)
    offset = (vertices - rest.axis(share)) * (rib.radius / usual.radius)
    placed: Points = rest.axis(share * min(rib.reach / usual.reach, 1.0)) + offset
    along = np.clip(share, 0.0, 1.3)
    wave = rib.wave - usual.wave
    placed[:, 0] -= (rib.slant - usual.slant) * along + wave * np.sin(along * 3.0 * np.pi)
    placed[:, 0] -= (rib.kink - usual.kink) * np.maximum(along - 0.5, 0.0)
    placed[:, 1] += 0.5 * wave * np.sin(along * 4.0 * np.pi)
    width, depth = rib.width / usual.width * plan.thorax_width, rib.depth / usual.depth * plan.thorax_depth
    placed *= np.array([1.0, width * _SIGN[rib.side], depth])
    return placed
