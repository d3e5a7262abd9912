"""Wrists, ankles and digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.simulation.anatomy.plan import Paw
from training.simulation.solids import Points, Solids


@dataclass(frozen=True, slots=True)
class PawForm:
    """Usual measures of a paw: metacarpal (or metatarsal) and phalanges of the five digits, fan and width."""

    rays: tuple[tuple[float, float, float], ...]
    fan_degrees: float
    width: float
    girth: float


FORE: Final = PawForm(
    ((1.3, 0.8, 0.6), (2.7, 1.6, 1.4), (3.1, 1.8, 1.5), (3.0, 1.7, 1.5), (2.3, 1.3, 1.2)), 24.0, 0.95, 0.31
)
HIND: Final = PawForm(
    ((4.2, 1.8, 1.0), (7.2, 2.6, 1.8), (7.6, 2.8, 1.9), (7.4, 2.7, 1.8), (5.8, 2.0, 1.5)), 15.0, 1.15, 0.39
)
_CLAW: Final = 0.9


@dataclass(frozen=True, slots=True)
class Place:
    """Where a paw is: the wrist or ankle (3,), unit axes along and across the paw, and how far it is fanned out."""

    wrist: Points
    forward: Points
    across: Points
    fan: float


def build_paw(solids: Solids, part: str, paw: Paw, form: PawForm, place: Place) -> Points:
    """Add carpals or tarsals and the digits; returns the tip of the middle digit (3,)."""
    axes = np.array([place.forward, place.across])
    knobs = place.wrist + np.array([[0.2, -0.5], [0.2, 0.5], [1.0, -0.7], [1.0, 0.0], [1.0, 0.7]]) @ axes
    for knob in knobs:
        solids.ellipsoid(part, knob, np.eye(3) * form.girth * 1.9, 0.6)
    count = len(paw.digits)
    tracks = []
    for number, (aside, length) in enumerate(zip(np.linspace(-1.0, 1.0, count), paw.digits, strict=True)):
        # Extra digits share the five usual rays' measures by place across the paw.
        ray = form.rays[round((aside + 1.0) * 2.0)]
        turn = np.radians(aside * form.fan_degrees * place.fan * paw.spread)
        heading = np.array([np.cos(turn), np.sin(turn)]) @ axes
        root = place.wrist + np.array([1.4 - 0.5 * aside**2, aside * form.width]) @ axes
        bend = np.array([-np.sin(turn), np.cos(turn)]) @ axes * aside * -0.12
        bones = np.array([*ray, _CLAW]) * np.array([0.5 + 0.5 * length, length, length, length])
        kept = paw.kept.get(number, len(bones))
        tracks.append(_digit(solids, part, root, np.array([heading, bend]), bones=bones[:kept], girth=form.girth))
    for first, second in paw.joined:
        if second < count:  # a digit that is missing cannot be joined
            shared = min(len(tracks[first]), len(tracks[second]))
            solids.tubes(part, tracks[first][:shared], tracks[second][:shared], form.girth * 1.1, 0.7)
    return np.asarray(tracks[count // 2][-1], dtype=np.float64)


def _digit(solids: Solids, part: str, root: Points, axes: Points, *, bones: Points, girth: float) -> Points:
    """Metacarpal, phalanges and claw with gaps at the joints; returns the far ends (n, 3) of the n (1 to 4) bones."""
    ends = np.cumsum(bones)
    gap = np.minimum(0.14, bones * 0.2)
    # Toes curl a little back towards the paw's axis.
    count = len(bones)
    curl = np.array([0.0, 0.3, 1.0, 1.6])[:count]
    far: Points = root + np.outer(ends, axes[0]) + np.outer(curl, axes[1]) * bones[min(1, count - 1)]
    near: Points = np.vstack((root, far[:-1]))
    near = near + (far - near) * (gap / np.maximum(bones, 1e-6))[:, None]
    middle = 0.5 * (near + far)
    thick = girth * np.array([1.0, 0.95, 0.85, 0.7])[:count, None]
    head = np.array([1.2, 1.2, 1.1, 0.3])[:count, None]
    solids.tubes(part, near, middle, np.hstack((thick * 1.25, thick * 0.75)), 0.85)
    solids.tubes(part, middle, far, np.hstack((thick * 0.75, thick * head)), 0.85)
    return far
