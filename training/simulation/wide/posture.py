"""Postures of mice as they are found in real pictures, from crouched to stretched. None of them is a finding."""

from dataclasses import replace
from typing import Final

import numpy as np

from training.simulation.anatomy.pose import LAT, Limb, Pose, draw_pose

_Rng = np.random.Generator

LATERAL_BEND: Final = (0.0, 50.0)
"""Degrees by which the back is bent from neck to rump in LAT, all of them normal."""
STRETCHED: Final = 0.15
"""Share of LAT pictures in which the animal is stretched, its back straight or slightly hollow."""
MOST_ROLL: Final = 15.0
TAIL_ELSEWHERE: Final = 0.08
"""Share of DV pictures in which the tail does not curve to the animal's left."""


def draw_wide_pose(view: str, rng: _Rng) -> Pose:
    """Draw a posture for a DV or LAT picture."""
    lateral = view == LAT
    usual = draw_pose(view, rng)
    if lateral:
        bend = float(rng.uniform(-10.0, 8.0) if rng.random() < STRETCHED else rng.uniform(*LATERAL_BEND))
    else:
        bend = float(np.clip(rng.normal(0.0, 11.0), -28.0, 28.0))
    return replace(
        usual,
        roll=_roll(rng),
        back_bend=bend,
        bend_shape=float(rng.uniform(0.7, 2.2)),
        neck_yaw=float(rng.normal(0.0, 5.0 if lateral else 15.0)),
        neck_pitch=float(rng.normal(0.0, 18.0 if lateral else 6.0)),
        skull_pitch=float(rng.normal(-14.0, 20.0) if lateral else rng.normal(-6.0, 8.0)),
        tail_start=float(rng.normal(15.0, 20.0)),
        tail_turn=_tail_turn(lateral, rng),
        tail_shape=float(rng.uniform(0.45, 1.8)),
        tail_sway=float(rng.normal(0.0, 18.0)),
        fore=(_fore(lateral, rng), _fore(lateral, rng)),
        hind=(_hind(lateral, rng), _hind(lateral, rng)),
        ears=(float(rng.normal(0.0, 25.0)), float(rng.normal(0.0, 25.0))),
    )


def _roll(rng: _Rng) -> float:
    """Up to 15 degrees; half of the animals lie within a few degrees."""
    roll = rng.normal(0.0, 4.0) if rng.random() < 0.5 else rng.uniform(-MOST_ROLL, MOST_ROLL)
    return float(np.clip(roll, -MOST_ROLL, MOST_ROLL))


def _tail_turn(lateral: bool, rng: _Rng) -> float:
    if lateral:
        return float(rng.uniform(-90.0, 200.0))
    return float(rng.uniform(-120.0, 40.0) if rng.random() < TAIL_ELSEWHERE else rng.uniform(40.0, 290.0))


def _fore(lateral: bool, rng: _Rng) -> Limb:
    """Anywhere from stretched past the nose to folded below the chest."""
    upper = rng.uniform(70.0, 160.0) if lateral else rng.uniform(60.0, 145.0)
    lower = rng.normal(30.0, 30.0) if lateral else rng.normal(42.0, 32.0)
    return _limb(upper, lower, lower + rng.normal(0.0, 25.0), rng)


def _hind(lateral: bool, rng: _Rng) -> Limb:
    """Crouched, half crouched, or stretched out behind."""
    share = rng.random()
    if share < 0.3:  # stretched out with tape
        upper, lower, paw = rng.normal(100.0, 18.0), rng.normal(140.0, 18.0), rng.normal(138.0, 25.0)
    elif share < 0.6:  # crouched: knee beside the belly
        upper, lower, paw = rng.normal(45.0, 14.0), rng.normal(140.0, 18.0), rng.normal(80.0, 30.0)
    else:
        upper, lower, paw = rng.normal(68.0, 18.0), rng.normal(140.0, 20.0), rng.normal(100.0, 35.0)
    return _limb(upper, lower, paw, rng)


def _limb(upper: float, lower: float, paw: float, rng: _Rng) -> Limb:
    return Limb(float(upper), float(lower), float(paw), float(rng.normal(8.0, 11.0)), float(rng.uniform(0.5, 1.5)))
