"""Soft tissue: groups of overlapping ellipsoids, and organs that add or remove density.

Within a group only the thickest solid counts along a ray, so a chain of overlapping ellipsoids looks like one body.
Groups are added up.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.simulation.anatomy.limbs import LimbPath
from training.simulation.anatomy.plan import CAUDAL, THORACIC, BodyPlan
from training.simulation.anatomy.pose import LAT, Pose
from training.simulation.anatomy.spine import Column
from training.simulation.solids import Frame, Points, Solids

BODY: Final = 0
TAIL: Final = 1
EARS: Final = 2
EAR_RIMS: Final = 3
LIMBS: Final = (4, 5, 6, 7)
GROUPS: Final = 8


@dataclass(slots=True)
class SoftTissue:
    """Soft solids with the group of each, and organs: air in the lungs, gas, food, pellets."""

    solids: Solids = field(default_factory=Solids)
    organs: Solids = field(default_factory=Solids)
    _groups: list[NDArray[np.int64]] = field(default_factory=list)

    def groups(self) -> NDArray[np.int64]:
        """Group number of every soft solid, in the order of `solids`."""
        return np.concatenate(self._groups)

    def add(self, group: int, centres: Points, axes: Points, sizes: Points) -> None:
        """Add n ellipsoids: centres (n, 3), unit axes as columns (n, 3, 3) or (3, 3), semi-axes (n, 3)."""
        columns = axes * sizes[:, None, :]
        self.solids.ellipsoids("soft", centres, columns @ columns.swapaxes(1, 2))
        self._groups.append(np.full(len(centres), group))

    def sweep(self, group: int, path: Points, radii: Points, step: float = 0.9) -> None:
        """Add spheres along a path of points (n, 3) with a radius at each; their distance is `step` smallest radii."""
        lengths = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))))
        count = max(int(lengths[-1] / (step * float(np.min(radii)))) + 1, 2)
        at = np.linspace(0.0, lengths[-1], count)
        points = np.empty((count, 3))
        for axis in range(3):
            points[:, axis] = np.interp(at, lengths, path[:, axis])
        girth = np.interp(at, lengths, radii)
        self.solids.ellipsoids("soft", points, np.eye(3) * (girth**2)[:, None, None])
        self._groups.append(np.full(count, group))


def add_limb(soft: SoftTissue, path: LimbPath, hind: bool, group: int) -> None:
    """Add muscle and skin along a limb's joints; thigh and upper arm belong to the body's outline."""
    thigh, knee, ankle, foot = (6.0, 3.5, 1.4, 1.1) if hind else (3.9, 2.3, 1.15, 0.9)
    points = path.segments()
    soft.sweep(BODY, points[:2], np.array([thigh, knee]), step=0.35)
    soft.sweep(group, points[1:3], np.array([knee, ankle]), step=0.6)
    soft.sweep(group, points[2:4], np.array([ankle, foot]), step=0.7)
    length = float(np.linalg.norm(points[3] - points[2]))
    forward = (points[3] - points[2]) / max(length, 1e-6)
    axes = np.column_stack((forward, path.across, np.cross(forward, path.across)))
    centre = points[2] + forward * length * 0.42
    soft.add(group, centre[None], axes, np.array([[length * 0.45, 1.9 if hind else 1.5, 1.0]]))


# Half width, half height and depth of the centre below the spine, from the skull (0) to the root of the tail (1).
_PROFILE: Final = np.array(
    [
        [0.00, 6.8, 6.6, 0.8],
        [0.08, 7.8, 7.4, 0.2],
        [0.18, 9.8, 8.4, 1.6],
        [0.28, 11.6, 9.2, 4.0],
        [0.40, 12.3, 9.9, 6.0],
        [0.52, 13.0, 10.5, 6.9],
        [0.66, 13.4, 10.6, 7.2],
        [0.80, 12.4, 9.4, 5.9],
        [0.90, 9.4, 7.4, 3.8],
        [0.96, 6.4, 5.4, 2.0],
        [1.00, 3.4, 3.2, 0.4],
    ]
)
_HEAD: Final = np.array(
    [
        [-3.0, 6.4, 6.2, -1.2],
        [2.0, 6.9, 6.2, -0.2],
        [7.0, 7.2, 6.4, -0.2],
        [12.0, 6.3, 5.8, -0.7],
        [16.0, 5.1, 4.9, -0.9],
        [19.5, 4.1, 4.1, -0.5],
        [22.8, 2.9, 2.8, 0.1],
    ]
)
_SMOOTH_MM: Final = 5.5
_SLICES: Final = 46


def add_trunk(soft: SoftTissue, plan: BodyPlan, pose: Pose, column: Column, rng: np.random.Generator) -> None:
    """Add neck, chest, belly and rump around the smoothed line of the spine, and the tail's skin."""
    tail = column.of(CAUDAL)
    body = [f for v, f in zip(column.vertebrae, column.frames, strict=True) if v.region != CAUDAL]
    frames = body + [frame for _, frame in tail[:3]]
    origins, axes = _smooth_line(frames)
    at = np.linspace(0.0, 1.0, _SLICES)
    flat = 1.0 if pose.view == LAT else 0.86
    swell = np.exp(-(((_PROFILE[:, 0] - 0.62) / 0.26) ** 2))
    wide = _PROFILE[:, 1] * rng.normal(1.0, 0.03, len(_PROFILE)) * (0.92 + (0.54 * plan.fat - 0.02) * swell)
    wide = wide * plan.breadth
    sag = (1.0 + 0.2 * plan.fat * swell) * plan.breadth**0.8
    half_width = np.interp(at, _PROFILE[:, 0], wide) / flat**0.5
    half_height = np.interp(at, _PROFILE[:, 0], _PROFILE[:, 2] * sag) * flat
    drop = np.interp(at, _PROFILE[:, 0], _PROFILE[:, 3] * sag) * flat
    sizes = np.column_stack((np.minimum(half_height, 6.5), half_width, half_height))
    soft.add(BODY, origins - axes[:, :, 2] * drop[:, None], axes, sizes)
    if tail:
        path = np.array([frame.origin for _, frame in tail])
        place = np.linspace(0.0, 1.0, 28)[: len(path)]
        thick = 1.9 * (1.0 - place) ** 1.1 + 0.7 + 1.3 * np.exp(-place * 18.0)
        soft.sweep(TAIL, path, np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(place)), thick), step=0.8)


def _smooth_line(frames: list[Frame]) -> tuple[Points, Points]:
    """Evenly spaced origins (n, 3) and axes (n, 3, 3) along the smoothed spine: skin bridges its sharper bends."""
    spine = np.array([frame.origin for frame in frames])
    left = np.array([frame.axes[:, 1] for frame in frames])
    place = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(spine, axis=0), axis=1))))
    at = np.linspace(0.0, place[-1], _SLICES)
    # Mirroring the ends keeps the smoothed line as long as the spine.
    ends = np.vstack((2 * spine[0] - spine[6:0:-1], spine, 2 * spine[-1] - spine[-2:-6:-1]))
    where = np.concatenate((-place[6:0:-1], place, 2 * place[-1] - place[-2:-6:-1]))
    weight = np.exp(-0.5 * ((at[:, None] - where) / _SMOOTH_MM) ** 2)
    origins = weight @ ends / weight.sum(axis=1, keepdims=True)
    near = np.exp(-0.5 * ((at[:, None] - place) / _SMOOTH_MM) ** 2)
    cranial = -np.gradient(origins, axis=0)
    cranial /= np.linalg.norm(cranial, axis=1, keepdims=True)
    side = near @ left
    side -= (side * cranial).sum(axis=1, keepdims=True) * cranial
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return origins, np.stack((cranial, side, np.cross(cranial, side)), axis=2)


def add_head(soft: SoftTissue, plan: BodyPlan, pose: Pose, skull: Frame) -> None:
    """Add the head's outline from neck to nose, and the ears as thin discs with a rim."""
    stretch = np.array([plan.skull.length, plan.skull.width, plan.skull.height])
    cranial = np.linspace(-3.0, 22.8, 18)
    wide, high, rise = (np.interp(cranial, _HEAD[:, 0], _HEAD[:, column]) for column in (1, 2, 3))
    reach = np.where(cranial < 13.0, cranial, 13.0 + (cranial - 13.0) * plan.skull.snout)
    centres = skull.at(np.column_stack((reach, np.zeros(18), rise)) * stretch)
    soft.add(BODY, centres, skull.axes, np.column_stack((np.minimum(high, 3.4), wide, high)) * stretch)
    for side, turn in zip((1.0, -1.0), pose.ears, strict=True):
        root = skull.moved(np.array([1.5, side * 5.4, 3.0]) * stretch)
        _add_ear(soft, root.turned(yaw=side * (112.0 + turn), roll=side * (35.0 + turn)))


def _add_ear(soft: SoftTissue, ear: Frame) -> None:
    soft.add(EARS, ear.at([[5.0, 0.0, 0.0]]), ear.axes, np.array([[6.0, 4.6, 0.3]]))
    turn = np.linspace(0.4, 2.0 * np.pi - 0.4, 15)
    rim = np.column_stack((5.0 - 5.7 * np.cos(turn), 4.4 * np.sin(turn), np.zeros(15)))
    soft.sweep(EAR_RIMS, ear.at(rim), np.full(15, 0.45), step=1.2)


def add_organs(soft: SoftTissue, plan: BodyPlan, column: Column, rng: np.random.Generator) -> None:
    """Remove density for the lungs' air and gas in the gut; add liver, stomach, gut contents and pellets."""
    chest = [frame for _, frame in column.of(THORACIC)]
    for sign in (1.0, -1.0):
        for level, size in ((2, (3.8, 2.4, 3.0)), (5, (4.8, 3.8, 4.2)), (8, (5.4, 4.6, 4.4))):
            frame = chest[min(level, len(chest) - 1)]
            at = np.array([-1.0, sign * (1.8 + 0.32 * level), -4.4 - 0.15 * level])
            soft.organs.blob("lung", frame, at, np.array(size) * plan.thorax_width, density=-0.42)
    belly = column.at_level(min(15, len(column.frames) - 9))
    soft.organs.blob("liver", belly, [9.0, -1.0, -8.0], [4.5, 8.5, 5.0], density=0.10)
    soft.organs.blob("stomach", belly, [5.0, 5.0, -7.0], [4.0, 4.5, 3.6], density=0.16)
    for _ in range(int(rng.integers(10, 22))):
        at = np.array([rng.uniform(-14.0, 4.0), rng.normal(0.0, 4.8), rng.uniform(-12.0, -4.0)])
        density = float(rng.choice([-0.5, -0.3, 0.2, 0.35]))
        soft.organs.blob("gut", belly, at, rng.uniform(0.8, 3.0, 3), density=density)
    for _ in range(int(rng.integers(2, 7))):
        at = np.array([rng.uniform(-17.0, -8.0), rng.normal(0.5, 2.2), rng.uniform(-7.0, -3.0)])
        soft.organs.blob("pellet", belly, at, [1.9, 1.0, 1.0], density=0.35)


def add_contents(bone: Solids, soft: SoftTissue, plan: BodyPlan, column: Column, rng: np.random.Generator) -> None:
    """Add gas and food along the bowel, a full stomach, and unborn young with faint skeletons."""
    belly = column.at_level(min(15, len(column.frames) - 9))
    for _ in range(round(14 * plan.bowel)):
        at = np.array([rng.uniform(-15.0, 4.0), rng.normal(0.0, 5.2), rng.uniform(-13.0, -4.0)])
        density = float(rng.uniform(-0.7, -0.2) if rng.random() < 0.45 else rng.uniform(0.1, 0.6))
        soft.organs.blob("gut", belly, at, rng.uniform(0.8, 3.6, 3), density=density)
    if rng.random() < 0.4 * plan.bowel:
        soft.organs.blob("stomach", belly, [5.5, 5.0, -7.0], rng.uniform(2.5, 5.5, 3), density=rng.uniform(0.1, 0.5))
    for number in range(plan.young):
        at = np.array([2.0 - 15.0 * rng.random(), (7.0 if number % 2 else -7.0) + rng.normal(0.0, 1.5), -9.0])
        curl = np.linspace(0.0, np.pi * 1.2, 9) + rng.uniform(0.0, 2.0 * np.pi)
        path = at + np.column_stack((2.6 * np.cos(curl), 1.6 * np.sin(curl), rng.normal(0.0, 0.6, 9)))
        bone.chain("young", belly.at(path), 0.3, 0.35)
        bone.blob("young", belly, path[0], [1.9, 1.6, 1.6], density=0.25, wall=0.2)
