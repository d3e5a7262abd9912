"""Bodies that are no mouse: a rat and a hand, for tests of what a model does with them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.simulation.anatomy.mouse import Mouse
from training.simulation.anatomy.plan import BodyPlan
from training.simulation.anatomy.soft_tissue import SoftTissue
from training.simulation.landmarks import world_landmarks
from training.simulation.solids import Points, Solids
from training.simulation.specimen import SimulatedSpecimen

_RAT_SCALE: Final = 1.75
_RAT_TAIL: Final = 0.72
_PHALANGES: Final = (
    (30.0, 24.0, 18.0),
    (44.0, 28.0, 17.0, 12.0),
    (46.0, 31.0, 20.0, 13.0),
    (43.0, 29.0, 19.0, 12.0),
    (40.0, 23.0, 15.0, 11.0),
)
"""Bones of thumb to little finger, metacarpal first, in millimetres of a human hand."""
_HAND_SCALE: Final = 0.55
"""The hand is as large in the picture as a mouse."""


@dataclass(frozen=True, slots=True)
class Rat(SimulatedSpecimen):
    """A rat: larger, with heavy bones, a long snout, and a tail that is thick and shorter than its body."""

    def plan(self) -> BodyPlan:
        """The measurements of this rat."""
        plan = SimulatedSpecimen.plan(self)
        plan.scale *= _RAT_SCALE
        plan.fat = 0.35 + 0.3 * plan.fat
        plan.skull.snout *= 1.3
        plan.skull.width *= 0.88
        plan.skull.height *= 0.86
        plan.thorax_width *= 0.92
        for vertebra in plan.vertebrae:
            if vertebra.region == "Ca":
                vertebra.length *= _RAT_TAIL
                vertebra.radius *= 1.35
            else:
                vertebra.length *= 1.12
                vertebra.spinous *= 1.2
        for bone in plan.bones.values():
            bone.length *= 0.92
            bone.radius *= 1.3
        return plan


def rat_of(specimen: SimulatedSpecimen) -> Rat:
    """The rat of the same seed, sex and centre; it has no finding."""
    return Rat(
        specimen.seed, specimen.biological_sample_id, specimen.centre, specimen.sex, specimen.strain, (), "plain"
    )


def hand(rng: np.random.Generator) -> Mouse:
    """A spread hand with its wrist; it has no landmarks and none of a mouse's parts."""
    bone, soft = Solids(_HAND_SCALE), SoftTissue(Solids(_HAND_SCALE), Solids(_HAND_SCALE))
    size = float(rng.normal(1.0, 0.08))
    spread = float(rng.uniform(0.7, 1.4))
    for number, lengths in enumerate(_PHALANGES):
        _finger(bone, soft, number, np.array(lengths) * size, spread + float(rng.normal(0.0, 0.1)))
    for row, count in ((-6.0, 4), (-17.0, 4)):
        for aside in np.linspace(-16.0, 16.0, count):
            at = np.array([row, aside * size, 0.0]) + rng.normal(0.0, 1.0, 3)
            bone.ellipsoid("wrist", at, np.eye(3) * rng.uniform(5.0, 8.0, 3), 0.35, wall=1.2)
    for aside, radius in ((11.0, 8.0), (-13.0, 5.0)):
        shaft = np.array([[-25.0, aside, 0.0], [-45.0, aside, 0.0], [-90.0, 0.8 * aside, 0.0]])
        bone.chain("forearm", shaft, np.array([1.2, 0.8, 0.7]) * radius, 0.45, marrow=0.65)
    palm = np.array([[38.0, 0.0, 0.0], [10.0, 0.0, 0.0], [-20.0, 0.0, 0.0], [-90.0, 0.0, 0.0]])
    for aside in (-16.0, 0.0, 16.0):
        soft.sweep(0, palm + np.array([0.0, aside, 0.0]), np.array([13.0, 15.0, 13.0, 16.0]), step=0.4)
    return Mouse(
        tubes=bone.all_tubes(),
        ellipsoids=bone.all_ellipsoids(),
        parts=bone.parts,
        soft=soft.solids.all_ellipsoids(),
        soft_group=soft.groups(),
        organs=soft.organs.all_ellipsoids(),
        nose=np.array([60.0, 0.0, 0.0]) * _HAND_SCALE,
        rump=np.array([-60.0, 0.0, 0.0]) * _HAND_SCALE,
        landmarks=world_landmarks({}),
    )


def _finger(bone: Solids, soft: SoftTissue, number: int, lengths: Points, spread: float) -> None:
    """One finger from its metacarpal, hollow bones with wider ends; the thumb stands apart."""
    aside = number - 2.0
    turn = np.radians(-55.0 if number == 0 else 9.0 * aside) * spread
    root = np.array([0.0, -24.0 if number == 0 else 9.5 * aside, 0.0])
    heading = np.array([np.cos(turn), np.sin(turn), 0.0])
    joints = root + np.outer(np.concatenate(([0.0], np.cumsum(lengths))), heading)
    for near, far, thick in zip(joints[:-1], joints[1:], (5.0, 4.4, 3.8, 3.2), strict=False):
        along = np.array([0.05, 0.2, 0.5, 0.8, 0.95])[:, None]
        path = near + along * (far - near)
        bone.chain("finger", path, thick * np.array([1.2, 0.9, 0.75, 0.9, 1.1]), 0.5, marrow=0.6)
    soft.sweep(4 + number % 4, joints, np.linspace(11.0, 8.0, len(joints)), step=0.5)
