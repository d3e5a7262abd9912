"""Long bones and joints of the limbs, wrists, ankles and digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.simulation.anatomy.girdles import SIGN
from training.simulation.anatomy.plan import SIDES, BodyPlan, Bone, Paw
from training.simulation.anatomy.pose import LAT, Limb, Pose
from training.simulation.landmarks import SIDES as LANDMARK_SIDES
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
class PawPlacement:
    """Placement of a paw: the wrist or ankle (3,), unit axes along and across the paw, and the spread of its digits."""

    wrist: Points
    forward: Points
    across: Points
    fan: float


def build_paw(solids: Solids, part: str, paw: Paw, form: PawForm, place: PawPlacement) -> Points:
    """Add carpals or tarsals and the digits; returns the tip of the middle digit (3,)."""
    axes = np.array([place.forward, place.across])
    knobs = place.wrist + np.array([[0.2, -0.5], [0.2, 0.5], [1.0, -0.7], [1.0, 0.0], [1.0, 0.7]]) @ axes
    for knob in knobs:
        solids.ellipsoid(part, knob, np.eye(3) * form.girth * 1.9, 0.6)
    count = len(paw.digits)
    tracks = []
    for number, (aside, length) in enumerate(zip(np.linspace(-1.0, 1.0, count), paw.digits, strict=True)):
        # Extra digits use the measures of the usual ray at their position across the paw.
        ray = form.rays[round((aside + 1.0) * 2.0)]
        turn = np.radians(aside * form.fan_degrees * place.fan * paw.spread)
        heading = np.array([np.cos(turn), np.sin(turn)]) @ axes
        root = place.wrist + np.array([1.4 - 0.5 * aside**2, aside * form.width]) @ axes
        bend = np.array([-np.sin(turn), np.cos(turn)]) @ axes * aside * -0.12
        bones = np.array([*ray, _CLAW]) * np.array([0.5 + 0.5 * length, length, length, length])
        kept = paw.kept.get(number, len(bones))
        tracks.append(_digit(solids, part, root, np.array([heading, bend]), bones=bones[:kept], girth=form.girth))
    for first, second in paw.joined:
        if second < count:  # a missing digit cannot be joined
            shared = min(len(tracks[first]), len(tracks[second]))
            solids.tubes(part, tracks[first][:shared], tracks[second][:shared], form.girth * 1.1, 0.7)
    return np.asarray(tracks[count // 2][-1], dtype=np.float64)


def _digit(solids: Solids, part: str, root: Points, axes: Points, *, bones: Points, girth: float) -> Points:
    """Metacarpal, phalanges and claw with gaps at the joints; returns the far ends (n, 3) of the n (1 to 4) bones."""
    ends = np.cumsum(bones)
    gap = np.minimum(0.14, bones * 0.2)
    # Toes curl slightly towards the paw's axis.
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


@dataclass(frozen=True, slots=True)
class LimbPath:
    """Joints of one limb in world coordinates, tip of the middle digit, and the paw's width axis; each (3,)."""

    top: Points
    bend: Points
    end: Points
    toe: Points
    across: Points

    def segments(self) -> Points:
        """The limb's course as points (4, 3)."""
        return np.array([self.top, self.bend, self.end, self.toe])

    def landmarks(self, upper: str, lower: str, side: str) -> dict[str, Points]:
        """Ends of the upper and the lower long bone by the landmarks' names."""
        return {
            f"{bone}.{LANDMARK_SIDES[side]}.{end}": joint
            for bone, ends in ((upper, (self.top, self.bend)), (lower, (self.bend, self.end)))
            for end, joint in zip(("proximal", "distal"), ends, strict=True)
        }


@dataclass(frozen=True, slots=True)
class _Course:
    """Directions of a limb: unit vectors of its segments and of the bend, and the paw's axes."""

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


def build_forelimb(solids: Solids, plan: BodyPlan, pose: Pose, side: str, joint: Points) -> LimbPath:
    """Add humerus, radius, ulna and forepaw, starting from the shoulder joint."""
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
    place = PawPlacement(wrist, course.paw, course.across, limb.fan)
    toe = build_paw(solids, f"forepaw {side}", plan.paws[f"forepaw {side}"], FORE, place)
    return LimbPath(joint, elbow, wrist, toe, course.across)


def build_hindlimb(solids: Solids, plan: BodyPlan, pose: Pose, side: str, joint: Points) -> LimbPath:
    """Add femur, patella, tibia, fibula, heel and hind paw, starting from the hip joint."""
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
    place = PawPlacement(ankle, course.paw, course.across, limb.fan)
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
