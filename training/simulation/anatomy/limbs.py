"""Long bones and joints of the limbs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.simulation.anatomy.girdles import SIGN
from training.simulation.anatomy.paws import FORE, HIND, Place, build_paw
from training.simulation.anatomy.plan import SIDES, Bone, Plan
from training.simulation.anatomy.pose import LAT, Limb, Pose
from training.simulation.solids import Points, Solids


@dataclass(frozen=True, slots=True)
class LimbPath:
    """Joints of one limb in the world, tip of the middle digit, and the paw's width axis; each (3,)."""

    top: Points
    bend: Points
    end: Points
    toe: Points
    across: Points

    def segments(self) -> Points:
        """The limb's course as points (4, 3)."""
        return np.array([self.top, self.bend, self.end, self.toe])


@dataclass(frozen=True, slots=True)
class _Course:
    """A limb before it has bones: unit directions of its segments and of the bend, and the paw's axes."""

    upper: Points
    lower: Points
    bend: Points
    paw: Points
    across: Points

    @classmethod
    def of(cls, limb: Limb, side: str, view: str) -> _Course:
        upper = _direction(limb.upper, limb.splay, side, view)
        lower = _direction(limb.lower, limb.splay * 0.4, side, view)
        paw = _direction(limb.paw, 0.0, side, view)
        bend = upper - (upper @ lower) * lower
        normal = np.array([0.0, 1.0, 0.0]) if view == LAT else np.array([0.0, 0.0, SIGN[side]])
        return cls(upper, lower, bend / max(float(np.linalg.norm(bend)), 1e-6), paw, np.cross(normal, paw))


def build_forelimb(solids: Solids, plan: Plan, pose: Pose, side: str, joint: Points) -> LimbPath:
    """Add humerus, radius, ulna and forepaw hanging from the shoulder joint."""
    limb = pose.fore[SIDES.index(side)]
    humerus, ulna, radius = (plan.bones[f"{name} {side}"] for name in ("humerus", "ulna", "radius"))
    course = _Course.of(limb, side, pose.view)
    elbow = joint + course.upper * humerus.length
    wrist = elbow + course.lower * min(radius.length, ulna.length)
    _long_bone(solids, f"humerus {side}", np.array([joint, elbow]), humerus, course.bend, flare=(1.5, 1.45))
    crest = joint + course.upper * humerus.length * np.array([[0.12], [0.5]]) + course.bend * 0.6
    solids.tubes(f"humerus {side}", crest[:1], crest[1:], 0.32, 0.7)
    ulna_ends = np.array([elbow - course.lower * 1.9 - course.bend * 0.35, wrist - course.bend * 0.45])
    _long_bone(solids, f"ulna {side}", ulna_ends, ulna, -course.bend, flare=(1.5, 1.0))
    radius_ends = np.array([elbow + course.bend * 0.45, wrist + course.bend * 0.4])
    _long_bone(solids, f"radius {side}", radius_ends, radius, course.bend, flare=(1.35, 1.5))
    place = Place(wrist, course.paw, course.across, limb.fan)
    toe = build_paw(solids, f"forepaw {side}", plan.paws[f"forepaw {side}"], FORE, place)
    return LimbPath(joint, elbow, wrist, toe, course.across)


def build_hindlimb(solids: Solids, plan: Plan, pose: Pose, side: str, joint: Points) -> LimbPath:
    """Add femur, patella, tibia, fibula, heel and hind paw hanging from the hip joint."""
    limb = pose.hind[SIDES.index(side)]
    femur, tibia, fibula = (plan.bones[f"{name} {side}"] for name in ("femur", "tibia", "fibula"))
    course = _Course.of(limb, side, pose.view)
    knee = joint + course.upper * femur.length
    ankle = knee + course.lower * tibia.length
    _long_bone(solids, f"femur {side}", np.array([joint, knee]), femur, -course.bend, flare=(1.2, 1.55))
    solids.ellipsoid(f"femur {side}", knee - course.bend * 1.5, np.eye(3) * 0.55, 0.8)
    trochanter = joint + course.upper * np.array([[0.3], [3.4]]) + course.bend * np.array([[1.3], [0.5]])
    solids.tubes(f"femur {side}", trochanter[:1], trochanter[1:], np.array([[0.55, 0.3]]), 0.7)
    shin = np.array([knee + course.lower * 1.0, ankle])
    _long_bone(solids, f"tibia {side}", shin, tibia, -course.bend, flare=(1.9, 1.3))
    if fibula.length > 0:
        _fibula(solids, f"fibula {side}", shin, fibula, course.bend)
    heel = np.array([ankle + course.paw * 0.6, ankle - course.paw * 1.2, ankle - course.paw * 3.0])
    solids.chain(f"hindpaw {side}", heel, np.array([0.8, 0.62, 0.75]), 0.6, marrow=0.4)
    place = Place(ankle, course.paw, course.across, limb.fan)
    toe = build_paw(solids, f"hindpaw {side}", plan.paws[f"hindpaw {side}"], HIND, place)
    return LimbPath(joint, knee, ankle, toe, course.across)


def _direction(angle: float, splay: float, side: str, view: str) -> Points:
    """Unit vector of a limb segment: degrees from cranial, outward in DV or ventral in LAT."""
    a, lift = np.radians(angle), np.radians(splay)
    along, out, off = np.cos(a) * np.cos(lift), np.sin(a) * np.cos(lift), np.sin(lift)
    if view == LAT:
        return np.array([along, SIGN[side] * off, -out])
    return np.array([along, SIGN[side] * out, -off])


def _long_bone(
    solids: Solids, part: str, span: Points, bone: Bone, bow_axis: Points, *, flare: tuple[float, float]
) -> None:
    """A hollow bowed shaft between the points of `span` (2, 3), its spongy ends widened by `flare`.

    A swelling adds bone and spurs to the far joint.
    """
    start, end = span
    share = np.linspace(0.0, 1.0, 8)
    length = float(np.linalg.norm(end - start))
    path = start + share[:, None] * (end - start)
    path = path + np.outer(np.sin(share * np.pi) * (bone.bow + 0.015) * length, bow_axis)
    widened = 1.0 + (flare[0] - 1.0) * np.exp(-share * 9.0) + (flare[1] - 1.0) * np.exp(-(1.0 - share) * 9.0)
    solids.chain(part, path, bone.radius * widened, 0.85, marrow=0.62)
    for centre, size in zip(span, flare, strict=True):
        solids.ellipsoid(part, centre, np.eye(3) * bone.radius * 1.1 * size, 0.6, wall=0.5)
    if bone.swelling:
        size = bone.radius * (1.2 + bone.swelling)
        solids.ellipsoid(part, end, np.eye(3) * size, 0.5 + 0.3 * bone.swelling)
        for spur in (bow_axis, -bow_axis):
            roots = end + np.outer((0.7 * size, 1.35 * size), spur)
            solids.tubes(part, roots[:1], roots[1:], np.array([[0.5, 0.2]]), 0.9)


def _fibula(solids: Solids, part: str, shin: Points, bone: Bone, bow: Points) -> None:
    """A thin bowed splint that joins the tibia past its middle."""
    share = np.linspace(0.0, min(0.62 * bone.length / 11.0, 0.9), 5)
    path = shin[0] + share[:, None] * (shin[1] - shin[0])
    swing = np.sin(np.linspace(0.35, np.pi, 5)) * (1.5 + 9.0 * bone.bow)
    solids.chain(part, path + np.outer(swing, bow), bone.radius, 0.95)
