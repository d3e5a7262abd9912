"""Postures of a mouse with a skeleton's bones: as wide as anaesthetised or dead mice lie, and never a finding."""

from __future__ import annotations

from typing import Final

import numpy as np

from training.simulation.anatomy.pose import LAT, Limb, Pose

_ROLL_LIMIT: Final = 15.0


def draw_posture(view: str, rng: np.random.Generator) -> Pose:
    """Draw a posture: the back bent by 0 to 50 degrees in LAT, rolled up to 15 degrees, limbs, head and tail anywhere.

    In DV the tail lies to the animal's left, as in our own mice.
    """
    lateral = view == LAT
    return Pose(
        view=view,
        roll=float(np.clip(rng.normal(0.0, 5.5), -_ROLL_LIMIT, _ROLL_LIMIT)),
        back_bend=float(rng.uniform(0.0, 50.0) if lateral else rng.normal(0.0, 9.0)),
        neck_yaw=float(rng.normal(0.0, 4.0 if lateral else 12.0)),
        neck_pitch=float(rng.normal(0.0, 14.0 if lateral else 5.0)),
        skull_pitch=float(rng.normal(6.0, 14.0) if lateral else rng.normal(8.0, 6.0)),
        tail_start=float(rng.normal(15.0, 16.0)),
        tail_turn=float(rng.normal(45.0, 60.0) if lateral else rng.uniform(40.0, 235.0)),
        tail_shape=float(rng.uniform(0.5, 1.4)),
        tail_sway=float(rng.normal(0.0, 12.0)),
        fore=(_fore(lateral, rng), _fore(lateral, rng)),
        hind=(_hind(lateral, rng), _hind(lateral, rng)),
        ears=(float(rng.normal(0.0, 18.0)), float(rng.normal(0.0, 18.0))),
    )


def _fore(lateral: bool, rng: np.random.Generator) -> Limb:
    upper = float(rng.uniform(85.0, 150.0) if lateral else rng.uniform(75.0, 140.0))
    lower = upper - float(rng.uniform(35.0, 120.0))
    return _limb(upper, lower, lower + float(rng.normal(0.0, 20.0)), rng)


def _hind(lateral: bool, rng: np.random.Generator) -> Limb:
    upper = float(rng.uniform(30.0, 100.0))
    lower = upper + float(rng.uniform(50.0, 135.0))
    paw = lower - float(rng.uniform(0.0, 90.0) if lateral else rng.uniform(-15.0, 80.0))
    return _limb(upper, min(lower, 175.0), paw, rng)


def _limb(upper: float, lower: float, paw: float, rng: np.random.Generator) -> Limb:
    return Limb(upper, lower, paw, splay=float(rng.normal(8.0, 9.0)), fan=float(rng.uniform(0.7, 2.2)))
