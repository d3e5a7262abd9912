"""Skin, muscle, fat and organs: chains of ellipsoids in groups, and air as what is taken away.

Within a group only the thickest solid counts along a ray, so that a chain of overlapping ellipsoids reads as one body;
groups add up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from training.phantom.anatomy.limbs import LimbPath
from training.phantom.anatomy.plan import CAUDAL, THORACIC, Plan, Vertebra
from training.phantom.anatomy.pose import LAT, Pose
from training.phantom.anatomy.spine import Column
from training.phantom.solids import Frame, Points, Solids

# Half width, half height and depth of the centre below the spine, by place from the atlas (0) to the tail's root (1).
_PROFILE: Final = np.array(
    [
        [0.00, 6.2, 6.0, 2.0],
        [0.12, 7.2, 6.8, 3.2],
        [0.22, 8.8, 8.2, 4.6],
        [0.35, 10.4, 9.6, 5.6],
        [0.50, 12.0, 10.2, 6.4],
        [0.64, 12.8, 10.2, 6.8],
        [0.78, 11.8, 9.2, 5.6],
        [0.90, 8.8, 7.2, 3.4],
        [1.00, 5.2, 4.6, 1.4],
    ]
)


@dataclass(slots=True)
class SoftTissue:
    """Soft solids with their group numbers, and air (or denser organs) that only adds or takes away."""

    solids: Solids = field(default_factory=Solids)
    groups: list[int] = field(default_factory=list)
    organs: Solids = field(default_factory=Solids)

    def add(self, group: int, centre: Points, semi_axes: Points) -> None:
        """Add an ellipsoid of muscle-like tissue to a group."""
        self.solids.ellipsoid("soft", centre, semi_axes)
        self.groups.append(group)

    def sweep(self, group: int, path: Points, radii: Points, step: float = 0.9) -> None:
        """Add spheres along a path of points (n, 3) with a radius at each, `step` radii apart."""
        lengths = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))))
        count = max(int(lengths[-1] / (step * float(np.min(radii)))) + 1, 2)
        at = np.linspace(0.0, lengths[-1], count)
        points = np.column_stack([np.interp(at, lengths, path[:, i]) for i in range(3)])
        for point, radius in zip(points, np.interp(at, lengths, radii), strict=True):
            self.add(group, point, np.eye(3) * radius)


def build_trunk(soft: SoftTissue, plan: Plan, pose: Pose, column: Column, rng: np.random.Generator) -> None:
    """Add neck, chest, belly, rump and tail around the spine."""
    trunk = [(v, f) for v, f in zip(column.vertebrae, column.frames, strict=True) if v.region != CAUDAL]
    tail = column.of(CAUDAL)
    spine = np.array([frame.origin for _, frame in trunk + tail[:3]])
    place = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(spine, axis=0), axis=1))))
    place /= place[-1]
    flat = 1.0 if pose.view == LAT else 0.86
    girth = rng.normal(1.0, 0.03, len(_PROFILE))
    belly = 1.0 + (0.34 * plan.fat - 0.1) * np.exp(-(((_PROFILE[:, 0] - 0.62) / 0.27) ** 2))
    sag = 1.0 + 0.16 * plan.fat * np.exp(-(((_PROFILE[:, 0] - 0.62) / 0.25) ** 2))
    for at in np.linspace(0.0, 1.0, 44):
        origin = np.array([np.interp(at, place, spine[:, i]) for i in range(3)])
        level = min(int(np.searchsorted(place, at)), len(place) - 1)
        frame = _smoothed(trunk + tail[:3], level, origin)
        wide = float(np.interp(at, _PROFILE[:, 0], _PROFILE[:, 1] * belly * girth)) / flat**0.5
        high = float(np.interp(at, _PROFILE[:, 0], _PROFILE[:, 2] * sag)) * flat
        drop = float(np.interp(at, _PROFILE[:, 0], _PROFILE[:, 3] * sag)) * flat
        size = np.array([min(high, 7.0), wide, high])
        soft.add(0, frame.at([0.0, 0.0, -drop]), frame.axes * size)
    if tail:
        path = np.array([frame.origin for _, frame in tail])
        soft.sweep(1, path, np.linspace(2.7, 0.8, len(path)) ** 1.0 * 0.82, step=0.8)


def _smoothed(along: list[tuple[Vertebra, Frame]], level: int, origin: Points) -> Frame:
    """The mean direction of some neighbouring vertebrae: skin bridges the spine's sharper bends."""
    near = [frame.axes[:, 0] for _, frame in along[max(level - 4, 0) : level + 5]]
    cranial = np.sum(near, axis=0)
    cranial /= np.linalg.norm(cranial)
    left = np.cross(along[level][1].axes[:, 2], cranial)
    left /= np.linalg.norm(left)
    return Frame(origin, np.column_stack((cranial, left, np.cross(cranial, left))))


def build_head(soft: SoftTissue, plan: Plan, pose: Pose, skull: Frame) -> None:
    """Add the head's outline from neck to nose, and the ears as thin folded discs."""
    s = np.array([plan.skull.length, plan.skull.width, plan.skull.height])
    outline = np.array(
        [
            [-3.0, 6.3, 6.2, -1.4],
            [2.0, 6.6, 6.0, -0.4],
            [7.0, 6.9, 6.1, -0.4],
            [12.0, 6.0, 5.4, -0.9],
            [16.0, 4.6, 4.6, -1.0],
            [19.5, 3.4, 3.7, -0.6],
            [22.6, 2.0, 2.2, 0.2],
        ]
    )
    snout = plan.skull.snout
    for cranial in np.linspace(-3.0, 22.6, 16):
        wide, high, rise = (float(np.interp(cranial, outline[:, 0], outline[:, i])) for i in (1, 2, 3))
        stretched = cranial if cranial < 13.0 else 13.0 + (cranial - 13.0) * snout
        soft.add(
            2, skull.at(np.array([stretched, 0.0, rise]) * s), skull.axes * (np.array([min(high, 3.4), wide, high]) * s)
        )
    for side, turn, group in ((1.0, pose.ears[0], 3), (-1.0, pose.ears[1], 3)):
        root = skull.moved(np.array([1.5, side * 5.6, 3.2]) * s)
        ear = root.turned(yaw=side * (118.0 + turn), roll=side * (35.0 + turn))
        _ear(soft, ear, group)


def _ear(soft: SoftTissue, ear: Frame, group: int) -> None:
    """A thin disc with a rim, standing off the head."""
    disc = ear.at(np.array([5.0, 0.0, 0.0]))
    soft.add(group, disc, ear.axes * (np.array([5.6, 4.2, 0.35])))
    turn = np.linspace(0.4, 2.0 * np.pi - 0.4, 15)
    rim = np.column_stack((5.0 - 5.4 * np.cos(turn), 4.0 * np.sin(turn), np.zeros(15)))
    soft.sweep(group + 1, ear.at(rim), np.full(15, 0.5), step=1.2)


def build_limb(soft: SoftTissue, plan: Plan, path: LimbPath, hind: bool, group: int) -> None:
    """Add the muscle and skin of one limb along its joints."""
    thick = (5.4, 3.3, 1.4, 1.35) if hind else (4.2, 2.4, 1.3, 1.3)
    points = path.segments()
    soft.sweep(group, points[:2], np.array([thick[0], thick[1]]), step=0.4)
    soft.sweep(group, points[1:3], np.array([thick[1], thick[2]]), step=0.5)
    foot = points[2:4]
    soft.sweep(group, foot, np.array([thick[2], thick[3]]) * 0.75, step=0.5)
    palm = 0.5 * (foot[0] + foot[1])
    soft.add(group, palm, _paw_axes(path, float(np.linalg.norm(foot[1] - foot[0]))))


def _paw_axes(path: LimbPath, length: float) -> Points:
    forward = (path.toe - path.end) / max(length, 1e-6)
    return np.column_stack((forward * length * 0.5, path.across * 1.7, np.cross(forward, path.across) * 0.9))


def build_organs(soft: SoftTissue, plan: Plan, column: Column, rng: np.random.Generator) -> None:
    """Take away the lungs' air and gas in the gut; add liver, stomach and pellets."""
    chest = [frame for _, frame in column.of(THORACIC)]
    for sign in (1.0, -1.0):
        for level, size in ((2, (3.6, 2.2, 2.8)), (5, (4.6, 3.4, 3.8)), (8, (5.2, 4.2, 4.0))):
            frame = chest[min(level, len(chest) - 1)]
            at = np.array([-1.0, sign * (1.6 + 0.30 * level), -4.6 - 0.15 * level])
            soft.organs.blob("lung", frame, at, np.array(size) * plan.thorax_width, density=-0.42)
    belly = column.at_level(min(15, len(column.frames) - 9))
    soft.organs.blob("liver", belly, np.array([9.0, -1.0, -8.0]), np.array([4.5, 8.5, 5.0]), density=0.10)
    soft.organs.blob("stomach", belly, np.array([5.0, 5.0, -7.0]), np.array([4.0, 4.5, 3.6]), density=0.16)
    for _ in range(int(rng.integers(8, 18))):
        at = np.array([rng.uniform(-13.0, 4.0), rng.normal(0.0, 4.6), rng.uniform(-11.0, -4.0)])
        extent = rng.uniform(0.8, 2.6, 3)
        soft.organs.blob("gut", belly, at, extent, density=float(rng.choice([-0.55, -0.3, 0.25, 0.4])))
    for _ in range(int(rng.integers(2, 7))):
        at = np.array([rng.uniform(-17.0, -8.0), rng.normal(0.5, 2.2), rng.uniform(-7.0, -3.0)])
        soft.organs.blob("pellet", belly, at, np.array([1.9, 1.0, 1.0]), density=0.35)
