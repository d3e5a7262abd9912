"""The ribcage of a skeleton: ribs and cartilage in the frames of their vertebrae, fused ribs, and a simple sternum."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from training.simulation.anatomy.plan import Rib
from training.simulation.landmarks import rib_name
from training.simulation.skeleton.assembly import Assembly
from training.simulation.skeleton.ribs import RestRib, shaped_rib
from training.simulation.solids import Points, Solids

_STERNAL: Final = 7
_PLATE: Final = np.linspace(0.12, 0.75, 6)
"""Shares of a rib's course over which a plate of bone joins fused ribs."""


def pose_ribcage(mouse: Assembly) -> None:
    """Add ribs, their landmarks, cartilage, and a simple sternum, which skeletons may lack."""
    ends: list[Points] = []
    for rib in mouse.plan.ribs:
        rest = _rest(mouse, rib)
        for part in (rest.bone, rest.cartilage):
            if part is not None:
                bone = part if rib.side == "L" else part.mirrored_faces()
                mouse.bones.add(rib.name, bone, partial(_placed, mouse, rib))
        mouse.named[rib_name(rib.side, rib.level)] = _course(mouse, rib, np.array([0.5]))[0]
        if rib.level < _STERNAL and rest.cartilage is not None:
            far = rest.share(rest.cartilage.outer.vertices).max(keepdims=True)
            ends.append(_course(mouse, rib, far)[0])
        other = mouse.plan.rib(rib.side, rib.fused_to) if rib.fused_to is not None else None
        if other is not None:
            here, there = _course(mouse, rib, _PLATE), _course(mouse, other, _PLATE)
            mouse.solids.tubes(rib.name, here, there, 0.42, 0.8)
            mouse.solids.chain(rib.name, 0.5 * (here + there), 0.45, 0.8)
    if len(ends) > 3:
        _add_sternum(mouse.solids, np.array(ends))


def _rest(mouse: Assembly, rib: Rib) -> RestRib:
    return mouse.skeleton.ribs[min(rib.level, max(mouse.skeleton.ribs))]


def _placed(mouse: Assembly, rib: Rib, vertices: Points) -> Points:
    return mouse.column.at_level(rib.level).at(shaped_rib(_rest(mouse, rib), rib, mouse.plan, vertices))


def _course(mouse: Assembly, rib: Rib, shares: Points) -> Points:
    """World points (n, 3) of a rib's axis at shares (n,) of its bone."""
    return _placed(mouse, rib, _rest(mouse, rib).axis(shares))


def _add_sternum(solids: Solids, ends: Points) -> None:
    """Sternebrae along the line through the ventral ends (n, 3) of the first ribs."""
    middle = ends.mean(axis=0)
    axis = np.linalg.svd(ends - middle)[2][0]
    reach = (ends - middle) @ axis
    line = middle + np.outer(np.linspace(reach.min() - 1.0, reach.max() + 1.0, 8), axis)
    gap = 0.12 * (line[1:] - line[:-1])
    solids.tubes("sternum", line[:-1] + gap, line[1:] - gap, 0.5, 0.55)
