"""Ribs, costal cartilage and sternum."""

from typing import Final

import numpy as np

from training.simulation.anatomy.plan import BodyPlan, Rib
from training.simulation.anatomy.spine import Column
from training.simulation.landmarks import rib_name
from training.simulation.solids import Frame, Points, Solids

TRUE_RIBS: Final = 7
_BONY: Final = 9
_STERNUM: Final = "sternum"
_SIGN: Final = {"L": 1.0, "R": -1.0}


def build_ribcage(solids: Solids, plan: BodyPlan, column: Column) -> dict[str, Points]:
    """Add sternum, ribs and cartilage; returns the middle (3,) of every bony rib by the landmark's name."""
    sternum = _sternum_line(plan, column)
    _build_sternum(solids, sternum)
    curves = {rib.name: _curve(rib, plan, column) for rib in plan.ribs}
    for rib in plan.ribs:
        radius = rib.radius * np.linspace(1.15, 0.9, _BONY)
        solids.chain(rib.name, curves[rib.name], radius, 0.95)
        if rib.level < TRUE_RIBS + 3:
            _cartilage(solids, rib, curves, sternum)
        if rib.fused_to is not None:
            other = plan.rib(rib.side, rib.fused_to)
            if other is not None:
                _fuse(solids, rib, curves[rib.name], curves[other.name])
    return {rib_name(rib.side, rib.level): curves[rib.name][_BONY // 2] for rib in plan.ribs if not rib.rudimentary}


def _curve(rib: Rib, plan: BodyPlan, column: Column) -> Points:
    """Points of the bony rib from head to costochondral joint: part of an ellipse that slants caudally."""
    frame = column.at_level(rib.level)
    angle = np.radians(np.linspace(8.0, rib.reach, _BONY))
    lateral = rib.width * plan.thorax_width * np.sin(np.minimum(angle, np.pi / 2) * 0.88 + angle * 0.06)
    ventral = 0.5 * rib.depth * plan.thorax_depth * (1.0 - np.cos(angle)) * 1.05
    along = np.linspace(0.0, 1.0, _BONY)
    caudal = rib.slant * along**1.1 + rib.wave * np.sin(along * 3.0 * np.pi) + rib.kink * np.maximum(along - 0.5, 0.0)
    bulge = rib.wave * 0.5 * np.sin(along * 4.0 * np.pi)
    local = np.column_stack((-caudal, _SIGN[rib.side] * (0.5 + lateral + bulge), 0.3 - ventral))
    return frame.at(local)


def _sternum_line(plan: BodyPlan, column: Column) -> Points:
    """Eight points from manubrium to xiphoid."""
    first, middle = column.at_level(0), column.at_level(5)
    ventral = Frame(first.origin, middle.axes)
    start = ventral.at(np.array([0.5, 0.0, -6.0 * plan.thorax_depth]))
    end = middle.at(np.array([-6.5, 0.0, -11.3 * plan.thorax_depth]))
    share = np.linspace(0.0, 1.0, 8)[:, None]
    line: Points = start + (end - start) * share
    return line


def _build_sternum(solids: Solids, line: Points) -> None:
    gap = 0.1 * (line[1:] - line[:-1])
    radii = np.array([0.75, 0.55, 0.5, 0.5, 0.55, 0.6, 0.4])[: len(line) - 1]
    solids.tubes(_STERNUM, line[:-1] + gap, line[1:] - gap, radii, 0.6)


def _cartilage(solids: Solids, rib: Rib, curves: dict[str, Points], sternum: Points) -> None:
    """True ribs reach their sternebra; ribs 8 to 10 join the cartilage in front of them."""
    end = curves[rib.name][-1]
    target = sternum[min(rib.level, TRUE_RIBS - 1)]
    if rib.level >= TRUE_RIBS:
        target = target + (end - target) * 0.45
    middle = 0.5 * (end + target) + 0.35 * (end - curves[rib.name][-3])
    solids.chain(rib.name, np.array([end, middle, target]), 0.24, 0.38)


def _fuse(solids: Solids, rib: Rib, here: Points, there: Points) -> None:
    """A plate of bone between two neighbouring ribs over the middle of their course."""
    chosen = slice(1, 6)
    solids.tubes(rib.name, here[chosen], there[chosen], 0.42, 0.8)
    solids.chain(rib.name, 0.5 * (here[chosen] + there[chosen]), 0.45, 0.8)
