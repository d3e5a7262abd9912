"""Posture of a mouse for its picture: bends of back and tail, directions of the limbs. It is never a finding."""

from dataclasses import dataclass
from typing import Final

import numpy as np

DV: Final = "DV"
LAT: Final = "LAT"


@dataclass(frozen=True, slots=True)
class Limb:
    """Directions of one limb's three segments, in degrees from cranial towards the picture plane's outer side.

    In DV the angle opens towards the animal's own side, in LAT towards ventral; `splay` is the angle out of that plane.
    """

    upper: float
    lower: float
    paw: float
    splay: float
    fan: float


@dataclass(frozen=True, slots=True)
class Pose:
    """A posture. Bends are degrees from neck to rump; `tail_turn` is the tail's total turn.

    `tail_turn` is to the left in DV and dorsal in LAT; `tail_shape` sets where along the tail most of it is. From a
    `bend_shape` of 1, which bends the back evenly, greater ones move the bend towards the loins.
    """

    view: str
    roll: float
    back_bend: float
    neck_yaw: float
    neck_pitch: float
    skull_pitch: float
    tail_start: float
    tail_turn: float
    tail_shape: float
    tail_sway: float
    fore: tuple[Limb, Limb]
    hind: tuple[Limb, Limb]
    ears: tuple[float, float]
    bend_shape: float = 1.0


def draw_pose(view: str, rng: np.random.Generator) -> Pose:
    """Draw a posture as technicians place anaesthetised mice: DV prone with splayed limbs, LAT on the right side."""
    lateral = view == LAT
    return Pose(
        view=view,
        roll=float(rng.normal(0.0, 3.5)),
        back_bend=float(rng.normal(8.0, 15.0) if lateral else rng.normal(0.0, 8.0)),
        neck_yaw=float(rng.normal(0.0, 3.0 if lateral else 9.0)),
        neck_pitch=float(rng.normal(0.0, 12.0 if lateral else 4.0)),
        skull_pitch=float(rng.normal(-14.0, 12.0) if lateral else rng.normal(-4.0, 4.0)),
        tail_start=float(rng.normal(18.0, 14.0)),
        tail_turn=float(rng.normal(55.0, 50.0) if lateral else rng.uniform(80.0, 235.0)),
        tail_shape=float(rng.uniform(0.55, 1.3)),
        tail_sway=float(rng.normal(0.0, 10.0)),
        fore=(_fore(lateral, rng), _fore(lateral, rng)),
        hind=(_hind(lateral, rng), _hind(lateral, rng)),
        ears=(float(rng.normal(0.0, 12.0)), float(rng.normal(0.0, 12.0))),
    )


def _fore(lateral: bool, rng: np.random.Generator) -> Limb:
    upper = rng.normal(122.0, 16.0) if lateral else rng.normal(106.0, 16.0)
    lower = rng.normal(32.0, 22.0) if lateral else rng.normal(42.0, 22.0)
    paw = lower + rng.normal(0.0, 16.0)
    return _limb(upper, lower, paw, rng)


def _hind(lateral: bool, rng: np.random.Generator) -> Limb:
    """Half crouched or, in a quarter of the pictures, stretched out with tape."""
    if rng.random() < 0.25:
        upper, lower, paw = rng.normal(96.0, 12.0), rng.normal(132.0, 14.0), rng.normal(130.0, 22.0)
    else:
        upper = rng.normal(62.0, 16.0) if lateral else rng.normal(68.0, 14.0)
        lower = rng.normal(128.0, 16.0) if lateral else rng.normal(146.0, 16.0)
        paw = rng.normal(85.0, 30.0) if lateral else rng.normal(108.0, 32.0)
    return _limb(upper, lower, paw, rng)


def _limb(upper: float, lower: float, paw: float, rng: np.random.Generator) -> Limb:
    return Limb(float(upper), float(lower), float(paw), float(rng.normal(7.0, 6.0)), float(rng.uniform(0.7, 1.4)))
