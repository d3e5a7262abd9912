"""Scapulae, long bones and paws of a skeleton, posed by the directions of a posture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from training.simulation.anatomy.girdles import SIGN
from training.simulation.anatomy.limbs import LimbPath
from training.simulation.anatomy.plan import SIDES, BodyPlan, Bone
from training.simulation.anatomy.pose import LAT, Limb, Pose
from training.simulation.skeleton.bones import LongBone, RestPaw, Skeleton
from training.simulation.skeleton.measures import USUAL_BONES
from training.simulation.skeleton.paws import PawPlace, pose_paw
from training.simulation.skeleton.shell import BoneSet, Shell
from training.simulation.solids import Frame, Points, Solids

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


def pose_scapula(bones: BoneSet, skeleton: Skeleton, plan: BodyPlan, pose: Pose, chest: Frame, side: str) -> Points:
    """Add one scapula; returns the shoulder joint (3,). `chest` is the frame of the first thoracic vertebra."""
    bone = plan.bones[f"scapula {side}"]
    limb = pose.fore[SIDES.index(side)]
    glide = np.array([(110.0 - limb.upper) * 0.03, 0.0, 0.0])
    joint = chest.at((skeleton.shoulder + glide) * np.array([1.0, SIGN[side], 1.0]))
    lean = 34.0 - 0.2 * (limb.upper - 110.0) + bone.shift
    frame = Frame(joint, chest.axes).turned(pitch=-lean, roll=SIGN[side] * 36.0)
    size = bone.length / _SCAPULA_MM * np.array([1.0, 1.0 - 0.2 * bone.bow, 1.0 - 0.45 * bone.bow])
    bones.add(
        f"scapula {side}",
        skeleton.scapula if side == "L" else skeleton.scapula.mirrored(),
        lambda vertices: frame.at(vertices * size),
    )
    return joint


def pose_forelimb(
    bones: BoneSet, solids: Solids, skeleton: Skeleton, plan: BodyPlan, pose: Pose, side: str, joint: Points
) -> LimbPath:
    """Add humerus, radius, ulna and forepaw, from the shoulder joint."""
    limb = pose.fore[SIDES.index(side)]
    course = _Course.of(limb, side, pose.view)
    humerus, ulna, radius = (plan.bones[f"{name} {side}"] for name in ("humerus", "ulna", "radius"))
    elbow = joint + course.upper * humerus.length
    wrist = elbow + course.lower * min(radius.length, ulna.length)
    build = _Builder(bones, solids, skeleton, plan, side)
    build.long_bone("humerus", joint, course.upper, course.upper_flexor)
    build.long_bone("ulna", elbow, course.lower, course.lower_flexor)
    build.long_bone(
        "radius", elbow + course.lower * 0.6 + course.lower_flexor * 0.35, course.lower, course.lower_flexor
    )
    toe, across = build.paw("forepaw", wrist, course.paw, pose, limb)
    return LimbPath(joint, elbow, wrist, toe, across)


def pose_hindlimb(
    bones: BoneSet, solids: Solids, skeleton: Skeleton, plan: BodyPlan, pose: Pose, side: str, joint: Points
) -> LimbPath:
    """Add femur, tibia, fibula and hind paw, from the hip joint."""
    limb = pose.hind[SIDES.index(side)]
    course = _Course.of(limb, side, pose.view)
    femur, tibia = plan.bones[f"femur {side}"], plan.bones[f"tibia {side}"]
    knee = joint + course.upper * femur.length
    ankle = knee + course.lower * tibia.length
    build = _Builder(bones, solids, skeleton, plan, side)
    build.long_bone("femur", joint, course.upper, course.upper_flexor)
    solids.ellipsoid(f"femur {side}", knee - course.upper_flexor * 1.7, np.eye(3) * 0.55, 0.8)
    build.long_bone("tibia", knee, course.lower, course.lower_flexor)
    if "fibula" in skeleton.long_bones:
        build.long_bone("fibula", knee, course.lower, course.lower_flexor)
    toe, across = build.paw("hindpaw", ankle, course.paw, pose, limb)
    return LimbPath(joint, knee, ankle, toe, across)


@dataclass(frozen=True, slots=True)
class _Builder:
    """Adds the bones of one limb."""

    bones: BoneSet
    solids: Solids
    skeleton: Skeleton
    plan: BodyPlan
    side: str

    def long_bone(self, name: str, start: Points, along: Points, flexor: Points) -> None:
        """Add a long bone from `start`, which points along one unit vector and flexes towards the other."""
        part = f"{name} {self.side}"
        rest, bone = self.skeleton.long_bones[name], self.plan.bones[part]
        axes = np.array([along, flexor, np.cross(along, flexor)])
        if self.side == "R":
            # The mirror image of a left bone, in the axes of a left one.
            axes[2] = -axes[2]
        shape = _shaper(name, rest, bone)
        shell = rest.bone if self.side == "L" else rest.bone.mirrored_faces()
        self.bones.add(part, shell, lambda vertices: start + shape(vertices) @ axes)
        if bone.swelling:
            self._spurs(part, start + along * bone.length, flexor, bone)

    def _spurs(self, part: str, joint: Points, axis: Points, bone: Bone) -> None:
        size = bone.radius * (1.3 + bone.swelling)
        for spur in (axis, -axis):
            roots = joint + np.outer((0.7 * size, 1.35 * size), spur)
            self.solids.tubes(part, roots[:1], roots[1:], _SPUR, 0.9)

    def paw(self, name: str, joint: Points, forward: Points, pose: Pose, limb: Limb) -> tuple[Points, Points]:
        """Add a paw; returns the tip of its middle digit (3,) and the axis across it (3,)."""
        part = f"{name} {self.side}"
        # The paw lies flat: its back faces dorsal in DV; seen from the side, it faces forward or up.
        back = np.array([0.0, 0.0, 1.0]) if pose.view != LAT else np.array([0.35 * forward[2], 0.6, 0.2])
        up = _across(back, forward)
        across = np.cross(up, forward) * SIGN[self.side]
        rest = self.skeleton.paws[name]
        paw = rest if self.side == "L" else _mirrored_paw(rest)
        left = across * SIGN[self.side]
        place = PawPlace(joint, np.array([forward, left, up]), _PAW_SCALE[name] * self._paw_size(name), limb.fan)
        return pose_paw(self.bones, self.solids, part, paw, self.plan.paws[part], place), left

    def _paw_size(self, name: str) -> float:
        bone = "radius" if name == "forepaw" else "tibia"
        other = f"{bone} {'R' if self.side == 'L' else 'L'}"
        longer = max(self.plan.bones[f"{bone} {self.side}"].length, self.plan.bones[other].length)
        return longer / USUAL_BONES[bone][0]


def _shaper(name: str, rest: LongBone, bone: Bone) -> Callable[[Points], Points]:
    """The change of a long bone's vertices (n, 3): length, girth, bow, and a swollen far end."""
    usual_length, usual_radius = USUAL_BONES[name]
    span = USUAL_BONES["tibia"][0] if name == "fibula" else usual_length
    size = span / rest.length
    stretch, girth = bone.length / usual_length, bone.radius / usual_radius

    def shape(vertices: Points) -> Points:
        share = vertices[:, 0] / rest.length
        # Long bones of skeletons that are too long are too thick as well, so all axes shrink alike.
        shaped = vertices * size * np.array([stretch, girth, girth])
        end = np.clip((share - 0.78) / 0.2, 0.0, 1.0)
        shaped[:, 1:] *= (1.0 + 0.55 * bone.swelling * end)[:, None]
        shaped[:, 1] -= np.sin(np.clip(share, 0.0, 1.0) * np.pi) * bone.bow * span * stretch
        return shaped

    return shape


def _mirrored_paw(paw: RestPaw) -> RestPaw:
    turned = np.array([1.0, -1.0, 1.0])
    digits = tuple(
        type(digit)(tuple(bone.mirrored() for bone in digit.bones), digit.root * turned, -digit.angle, digit.length)
        for digit in paw.digits
    )
    return RestPaw(paw.wrist.mirrored(), digits)
