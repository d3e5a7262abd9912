"""Scapulae, clavicles and pelvis; each returns the joint of its limb."""

from typing import Final

import numpy as np

from training.simulation.anatomy.plan import SACRAL, BodyPlan
from training.simulation.anatomy.pose import LAT, Pose
from training.simulation.anatomy.spine import Column
from training.simulation.solids import Frame, Points, Solids

SIGN: Final = {"L": 1.0, "R": -1.0}


def build_shoulder(solids: Solids, plan: BodyPlan, pose: Pose, column: Column, side: str) -> Points:
    """Add scapula and clavicle of one side; returns the shoulder joint (3,)."""
    scapula, clavicle = plan.bones[f"scapula {side}"], plan.bones[f"clavicle {side}"]
    sign = SIGN[side]
    chest = column.at_level(2)
    limb = pose.fore[0 if side == "L" else 1]
    glide = (limb.upper - 110.0) * 0.03
    out = 6.4 if pose.view != LAT else 5.4
    joint = chest.at(np.array([3.2 - glide, sign * out, -4.6]))
    lean = 6.0 + scapula.shift
    top = chest.at(np.array([-3.2 - 0.5 * lean, sign * (out - 2.2), 1.9]))
    blade = top - joint
    blade = blade / np.linalg.norm(blade) * scapula.length
    _scapula(solids, f"scapula {side}", joint, blade, chest=chest, bow=scapula.bow)
    if clavicle.length > 0:
        start = joint + blade * 0.06
        manubrium = chest.at(np.array([3.6, sign * 0.7, -7.6]))
        share = min(clavicle.length / 5.6, 1.0)
        bend = chest.axes @ np.array([0.8, 0.0, -0.4])
        path = np.array([start, 0.5 * (start + manubrium) + bend, manubrium])
        path[1:] = start + (path[1:] - start) * share
        solids.chain(f"clavicle {side}", path, clavicle.radius, 0.95)
    return joint


def _scapula(solids: Solids, part: str, joint: Points, blade: Points, *, chest: Frame, bow: float) -> None:
    """A thin triangular plate with thick borders, spine and acromion."""
    wide = chest.axes[:, 0] * (1.0 - 0.45 * bow)
    outward = np.cross(blade, wide)
    outward = outward / np.linalg.norm(outward) * np.sign(outward @ (joint - chest.origin))
    front, back = joint + blade * 0.92 + wide * 1.9, joint + blade * (1.0 - 0.3 * bow) - wide * 2.6
    neck = joint + blade * 0.12
    solids.chain(part, np.array([neck, front, joint + blade * 1.02, back, neck]), 0.21, 0.85)
    for share in (0.3, 0.5, 0.7, 0.9):
        across = np.array([neck + (front - neck) * share, neck + (back - neck) * share])
        solids.chain(part, across, np.array([0.4, 0.4]), 0.16)
    ridge = np.array([joint + blade * 0.9, joint + blade * 0.5 + outward * 0.9, joint + blade * 0.02 + outward * 1.3])
    solids.chain(part, ridge, np.array([0.2, 0.3, 0.3]), 0.85)
    solids.ellipsoid(part, joint + blade * 0.04, np.eye(3) * 0.62, 0.8, wall=0.3)


def build_pelvis(solids: Solids, plan: BodyPlan, column: Column, side: str) -> Points:
    """Add ilium, ischium and pubis of one side; returns the hip joint (3,)."""
    bone, sign = plan.bones[f"ilium {side}"], SIGN[side]
    sacral = column.of(SACRAL)
    frame = (sacral[0][1] if sacral else column.frames[-1]).turned(pitch=4.0 + bone.shift)
    long, part = bone.length / 11.0, f"pelvis {side}"
    flare = 1.0 + bone.bow

    def placed(points: list[list[float]]) -> Points:
        local: Points = np.array(points) * np.array([long, sign, 1.0])
        return frame.at(local)

    ilium = placed([[4.6, 3.7 * flare, 0.9], [2.0, 3.4 * flare, 0.6], [-2.0, 3.1, -0.3], [-6.2, 3.9, -1.9]])
    solids.chain(part, ilium, np.array([0.72, 0.62, 0.58, 0.9]), 0.62, marrow=0.6)
    ischium = placed([[-6.2, 3.9, -1.9], [-9.3, 3.5, -1.5], [-12.4, 3.0, -1.3], [-13.4, 2.5, -2.6]])
    solids.chain(part, ischium, np.array([0.8, 0.55, 0.62, 0.42]), 0.68, marrow=0.45)
    pubis = placed([[-6.4, 3.6, -2.2], [-7.8, 2.2, -4.2], [-9.4, 0.6, -4.9], [-11.6, 0.9, -4.3], [-13.4, 2.5, -2.6]])
    solids.chain(part, pubis, np.array([0.5, 0.36, 0.42, 0.36, 0.42]), 0.75)
    hip = placed([[-6.2, 4.2, -1.9]])[0]
    solids.ellipsoid(part, hip, np.eye(3) * 0.95, 0.55, wall=0.35)
    return np.asarray(hip, dtype=np.float64)
