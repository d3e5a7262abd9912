"""Girdles, long bones and paws of a skeleton, posed by the directions of a posture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.simulation.anatomy.girdles import SIGN
from training.simulation.anatomy.limbs import LimbPath
from training.simulation.anatomy.plan import SACRAL, SIDES, Bone
from training.simulation.anatomy.pose import LAT, Limb
from training.simulation.landmarks import SIDES as LANDMARK_SIDES
from training.simulation.skeleton.assembly import Assembly
from training.simulation.skeleton.bones import LongBone
from training.simulation.skeleton.digits import PawPlace, mirrored_paw, pose_paw
from training.simulation.skeleton.measures import USUAL_BONES
from training.simulation.solids import Frame, Points

_PAW_SCALE: Final = {"forepaw": 0.92, "hindpaw": 0.88}
_SCAPULA_MM: Final = 13.5
"""Length of the blade in the skeleton, from the shoulder joint to its caudal end."""
_SPUR: Final = np.array([[0.5, 0.2]])


@dataclass(frozen=True, slots=True)
class _Course:
    """Unit vectors of a limb's segments, and those towards which they flex."""

    upper: Points
    lower: Points
    paw: Points
    upper_flexor: Points
    lower_flexor: Points

    @classmethod
    def of(cls, limb: Limb, side: str, view: str) -> _Course:
        upper = _direction(limb.upper, limb.splay, side, view)
        lower = _direction(limb.lower, limb.splay * 0.4, side, view)
        paw = _direction(limb.paw, 0.0, side, view)
        return cls(upper, lower, paw, _across(lower, upper), _across(-upper, lower))


def _direction(angle: float, splay: float, side: str, view: str) -> Points:
    """Unit vector of a limb segment: degrees from cranial, outward in DV or ventral in LAT."""
    turn, lift = np.radians(angle), np.radians(splay)
    along, out, off = np.cos(turn) * np.cos(lift), np.sin(turn) * np.cos(lift), np.sin(lift)
    return np.array([along, SIGN[side] * off, -out] if view == LAT else [along, SIGN[side] * out, -off])


def _across(vector: Points, axis: Points) -> Points:
    """Unit vector of the part of a vector that is perpendicular to a unit axis."""
    rest = vector - (vector @ axis) * axis
    length = float(np.linalg.norm(rest))
    if length < 1e-3:
        return _across(np.array([0.0, 0.6, 0.8]), axis)
    unit: Points = rest / length
    return unit


def pose_forelimb(mouse: Assembly, side: str) -> LimbPath:
    """Add scapula, humerus, radius, ulna and forepaw, and the landmarks."""
    plan, limb = mouse.plan, mouse.pose.fore[SIDES.index(side)]
    course = _Course.of(limb, side, mouse.pose.view)
    joint = _pose_scapula(mouse, limb, side)
    elbow = joint + course.upper * plan.bones[f"humerus {side}"].length
    wrist = elbow + course.lower * min(plan.bones[f"{name} {side}"].length for name in ("radius", "ulna"))
    _long_bone(mouse, f"humerus {side}", joint, course.upper, course.upper_flexor)
    _long_bone(mouse, f"ulna {side}", elbow, course.lower, course.lower_flexor)
    beside = elbow + course.lower * 0.6 + course.lower_flexor * 0.35
    _long_bone(mouse, f"radius {side}", beside, course.lower, course.lower_flexor)
    toe, across = _pose_paw(mouse, f"forepaw {side}", wrist, course.paw, limb)
    path = LimbPath(joint, elbow, wrist, toe, across)
    mouse.named.update(path.landmarks("humerus", "radius", side))
    return path


def _pose_scapula(mouse: Assembly, limb: Limb, side: str) -> Points:
    """Add one scapula; returns the shoulder joint (3,)."""
    bone, chest = mouse.plan.bones[f"scapula {side}"], mouse.column.at_level(0)
    glide = np.array([(110.0 - limb.upper) * 0.03, 0.0, 0.0])
    joint = chest.at((mouse.skeleton.shoulder + glide) * np.array([1.0, SIGN[side], 1.0]))
    lean = 34.0 - 0.2 * (limb.upper - 110.0) + bone.shift
    frame = Frame(joint, chest.axes).turned(pitch=-lean, roll=SIGN[side] * 36.0)
    size = bone.length / _SCAPULA_MM * np.array([1.0, 1.0 - 0.2 * bone.bow, 1.0 - 0.45 * bone.bow])
    rest = mouse.skeleton.scapula if side == "L" else mouse.skeleton.scapula.mirrored()
    mouse.bones.add(f"scapula {side}", rest, lambda vertices: frame.at(vertices * size))
    return joint


def pose_hindlimb(mouse: Assembly, side: str) -> LimbPath:
    """Add one half of the pelvis, femur, patella, tibia, fibula and hind paw, and the landmarks."""
    plan, limb = mouse.plan, mouse.pose.hind[SIDES.index(side)]
    course = _Course.of(limb, side, mouse.pose.view)
    joint = _pose_pelvis(mouse, side)
    knee = joint + course.upper * plan.bones[f"femur {side}"].length
    ankle = knee + course.lower * plan.bones[f"tibia {side}"].length
    _long_bone(mouse, f"femur {side}", joint, course.upper, course.upper_flexor)
    mouse.solids.ellipsoid(f"femur {side}", knee - course.upper_flexor * 1.7, np.eye(3) * 0.55, 0.8)
    for name in ("tibia", "fibula"):
        if name in mouse.skeleton.long_bones:
            _long_bone(mouse, f"{name} {side}", knee, course.lower, course.lower_flexor)
    toe, across = _pose_paw(mouse, f"hindpaw {side}", ankle, course.paw, limb)
    path = LimbPath(joint, knee, ankle, toe, across)
    mouse.named.update(path.landmarks("femur", "tibia", side))
    mouse.named[f"pelvis.{LANDMARK_SIDES[side]}"] = joint
    return path


def _pose_pelvis(mouse: Assembly, side: str) -> Points:
    """Add one hip bone; returns the hip joint (3,)."""
    bone, sign = mouse.plan.bones[f"ilium {side}"], SIGN[side]
    sacral = mouse.column.of(SACRAL)
    frame = (sacral[0][1] if sacral else mouse.column.frames[-1]).turned(pitch=bone.shift)
    long = bone.length / USUAL_BONES["ilium"][0]

    def placed(vertices: Points) -> Points:
        flare = 1.0 + bone.bow * np.clip(vertices[:, 0] / 7.0, 0.0, 1.0)
        return frame.at(np.column_stack((vertices[:, 0] * long, vertices[:, 1] * sign * flare, vertices[:, 2])))

    rest = mouse.skeleton.pelvis if side == "L" else mouse.skeleton.pelvis.mirrored_faces()
    mouse.bones.add(f"pelvis {side}", rest, placed)
    return frame.at(mouse.skeleton.hip * np.array([long, sign, 1.0]))


def _long_bone(mouse: Assembly, part: str, start: Points, along: Points, flexor: Points) -> None:
    """Add a long bone from `start`, which points along one unit vector and flexes towards the other."""
    name, side = part.split()
    rest, bone = mouse.skeleton.long_bones[name], mouse.plan.bones[part]
    axes = np.array([along, flexor, np.cross(along, flexor)])
    shell = rest.bone
    if side == "R":
        # The mirror image of the left bone, in the axes of a left one.
        axes[2], shell = -axes[2], rest.bone.mirrored_faces()
    mouse.bones.add(part, shell, lambda vertices: start + _shaped(name, rest, bone, vertices) @ axes)
    if bone.swelling:
        size = bone.radius * (1.3 + bone.swelling)
        joint = start + along * bone.length
        for spur in (flexor, -flexor):
            roots = joint + np.outer((0.7 * size, 1.35 * size), spur)
            mouse.solids.tubes(part, roots[:1], roots[1:], _SPUR, 0.9)


def _shaped(name: str, rest: LongBone, bone: Bone, vertices: Points) -> Points:
    """A long bone's vertices (n, 3) with the plan's length, girth, bow, and a swollen far end."""
    usual_length, usual_radius = USUAL_BONES[name]
    # The fibula is measured from its own end, but its mesh lies along the whole tibia.
    span = USUAL_BONES["tibia"][0] if name == "fibula" else usual_length
    stretch, girth = bone.length / usual_length, bone.radius / usual_radius
    share = vertices[:, 0] / rest.length
    # Long bones of skeletons that are too long are too thick as well, so all axes shrink alike.
    shaped: Points = vertices * span / rest.length * np.array([stretch, girth, girth])
    end = np.clip((share - 0.78) / 0.2, 0.0, 1.0)
    shaped[:, 1:] *= (1.0 + 0.55 * bone.swelling * end)[:, None]
    shaped[:, 1] -= np.sin(np.clip(share, 0.0, 1.0) * np.pi) * bone.bow * span * stretch
    return shaped


def _pose_paw(mouse: Assembly, part: str, joint: Points, forward: Points, limb: Limb) -> tuple[Points, Points]:
    """Add a paw; returns the tip of its middle digit (3,) and the axis across it (3,)."""
    name, side = part.split()
    # The paw lies flat: its back faces dorsal in DV; in LAT it faces the animal's left, and is a little oblique.
    back = np.array([0.35 * forward[2], 0.6, 0.2]) if mouse.pose.view == LAT else np.array([0.0, 0.0, 1.0])
    up = _across(back, forward)
    left = np.cross(up, forward)
    rest = mouse.skeleton.paws[name]
    paw = rest if side == "L" else mirrored_paw(rest)
    bone = "radius" if name == "forepaw" else "tibia"
    # A paw is as large as its animal; a shortened bone above does not shrink it.
    size = max(mouse.plan.bones[f"{bone} {one}"].length for one in SIDES) / USUAL_BONES[bone][0]
    place = PawPlace(joint, np.array([forward, left, up]), _PAW_SCALE[name] * size, limb.fan)
    return pose_paw(mouse, part, paw, place), left
