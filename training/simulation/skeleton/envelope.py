"""Soft tissue around a posed skeleton: skin over trunk, head, limbs and tail, air in the lungs, content of the belly.

The trunk is a chain of flat ellipsoids around the smoothed spine. Its build differs from that of our own mice and
varies more: short and broad to long and thin, fat, pregnant.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from training.simulation.anatomy.limbs import LimbPath
from training.simulation.anatomy.plan import CAUDAL, THORACIC
from training.simulation.anatomy.pose import LAT
from training.simulation.anatomy.soft_tissue import BODY, EAR_RIMS, EARS, TAIL, SoftTissue
from training.simulation.skeleton.assembly import Assembly
from training.simulation.solids import Frame, Points

_SLICES: Final = 44
_SMOOTH_MM: Final = 6.5
_TRUNK: Final = np.array(
    [
        [0.00, 6.2, 6.2, 0.4],
        [0.09, 7.6, 7.8, 1.6],
        [0.18, 9.6, 10.2, 4.8],
        [0.28, 11.2, 11.6, 6.9],
        [0.40, 12.3, 12.2, 7.8],
        [0.52, 12.8, 12.3, 8.2],
        [0.64, 12.8, 11.9, 7.9],
        [0.76, 12.0, 10.8, 6.6],
        [0.86, 10.6, 9.4, 4.9],
        [0.94, 7.9, 7.0, 3.2],
        [1.00, 3.2, 3.2, 0.5],
    ]
)
"""Place from the atlas (0) to the root of the tail (1), half width, half height, depth below the spine, millimetres."""
_HEAD: Final = np.array(
    [
        [-3.0, 6.0, 5.8, 0.4],
        [3.0, 7.0, 6.6, 1.8],
        [8.0, 7.3, 6.4, 1.6],
        [13.0, 6.2, 5.4, 0.4],
        [17.0, 4.6, 4.3, -0.8],
        [20.5, 3.2, 3.2, -1.2],
        [22.6, 2.0, 2.0, -1.2],
    ]
)


def add_trunk(mouse: Assembly, sex: str, rng: np.random.Generator) -> None:
    """Add neck, chest, belly, rump and the tail's skin."""
    plan, column = mouse.plan, mouse.column
    body = [f for v, f in zip(column.vertebrae, column.frames, strict=True) if v.region != CAUDAL]
    tail = column.of(CAUDAL)
    origins, axes = _line(body + [frame for _, frame in tail[:2]])
    place = np.linspace(0.0, 1.0, _SLICES)
    belly = np.exp(-(((place - 0.6) / 0.19) ** 2))
    pregnant = float(rng.uniform(0.15, 0.4)) if sex == "female" and rng.random() < 0.1 else 0.0
    swell = 1.0 + belly * (0.55 * plan.fat - 0.08 + pregnant)
    breadth = float(rng.normal(1.0, 0.06))
    flat = 1.0 if mouse.pose.view == LAT else float(rng.uniform(0.78, 0.95))
    wide, high, drop = (np.interp(place, _TRUNK[:, 0], _TRUNK[:, column]) for column in (1, 2, 3))
    ripple = np.interp(place, np.linspace(0.0, 1.0, 9), rng.normal(1.0, 0.025, 9))
    wide = np.maximum(wide * breadth * swell * ripple, 1.06 * plan.thorax_width * wide) / flat**0.5
    high = high * (1.0 + 0.4 * (swell - 1.0)) * plan.thorax_depth**0.6 * flat
    drop = drop * (1.0 + 0.5 * (swell - 1.0)) * plan.thorax_depth**0.6 * flat
    sizes = np.column_stack((np.minimum(high, 6.0), wide, high))
    mouse.soft.add(BODY, origins - axes[:, :, 2] * drop[:, None], axes, sizes)
    if tail:
        path = np.array([frame.origin for _, frame in tail])
        share = np.linspace(0.0, len(path) / 28.0, len(path))
        mouse.soft.sweep(TAIL, path, 1.7 * np.maximum(1.0 - share, 0.0) + 0.75 + 1.6 * np.exp(-share * 16.0), step=0.8)


def _line(frames: list[Frame]) -> tuple[Points, Points]:
    """Evenly spaced origins (n, 3) and axes (n, 3, 3) along the smoothed spine."""
    spine, left = np.array([f.origin for f in frames]), np.array([f.axes[:, 1] for f in frames])
    place = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(spine, axis=0), axis=1))))
    at = np.linspace(0.0, place[-1], _SLICES)
    weight = np.exp(-0.5 * ((at[:, None] - place) / _SMOOTH_MM) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    # A line fitted around each place, unlike a mean, keeps the ends where they are.
    mean, along = weight @ spine, weight @ place
    spread = weight @ place**2 - along**2
    slope = (weight @ (spine * place[:, None]) - mean * along[:, None]) / spread[:, None]
    origins = mean + slope * (at - along)[:, None]
    cranial = -slope / np.linalg.norm(slope, axis=1, keepdims=True)
    side = weight @ left
    side -= (side * cranial).sum(axis=1, keepdims=True) * cranial
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return origins, np.stack((cranial, side, np.cross(cranial, side)), axis=2)


def add_head(mouse: Assembly, skull: Frame, rng: np.random.Generator) -> None:
    """Add the head's outline and the ears."""
    plan, soft = mouse.plan, mouse.soft
    stretch = np.array([plan.skull.length, plan.skull.width, plan.skull.height])
    place = np.linspace(_HEAD[0, 0], _HEAD[-1, 0], 18)
    wide, high, rise = (np.interp(place, _HEAD[:, 0], _HEAD[:, column]) for column in (1, 2, 3))
    reach = np.where(place < 12.0, place, 12.0 + (place - 12.0) * plan.skull.snout)
    turn = np.radians(plan.skull.snout_yaw) * np.clip((place - 12.0) / 5.0, 0.0, 1.0)
    aside = np.maximum(place - 12.0, 0.0) * np.sin(turn)
    centres = skull.at(np.column_stack((reach, aside, rise + 0.6)) * stretch)
    plump = 1.0 + 0.1 * plan.fat
    soft.add(BODY, centres, skull.axes, np.column_stack((np.minimum(high, 3.2), wide * plump, high * plump)) * stretch)
    size = float(rng.uniform(0.85, 1.2))
    for side, turn_out in zip((1.0, -1.0), mouse.pose.ears, strict=True):
        root = skull.moved(np.array([2.5, side * 5.0, 5.2]) * stretch)
        ear = root.turned(yaw=side * (128.0 + 0.5 * turn_out), roll=side * (58.0 + turn_out))
        soft.add(EARS, ear.at([[4.6 * size, 0.0, 0.0]]), ear.axes, np.array([[5.8, 4.9, 0.28]]) * size)
        angle = np.linspace(0.5, 2.0 * np.pi - 0.5, 13)
        rim = np.column_stack((4.6 - 5.5 * np.cos(angle), 4.7 * np.sin(angle), np.zeros(13))) * size
        soft.sweep(EAR_RIMS, ear.at(rim), np.full(13, 0.42), step=1.2)


def add_limb(soft: SoftTissue, path: LimbPath, *, hind: bool, group: int, fat: float) -> None:
    """Add muscle and skin along a limb; its upper part belongs to the body's outline."""
    root, bend, end, toe = (5.6, 3.4, 1.3, 1.0) if hind else (4.0, 2.4, 1.1, 0.85)
    grown = 0.92 + 0.2 * fat
    points = path.segments()
    muscle = points[0] + np.array([0.25, 0.6, 1.0])[:, None] * (points[1] - points[0])
    soft.sweep(BODY, muscle, np.array([root, 0.8 * root, bend]) * grown, step=0.35)
    calf = points[1] + 0.3 * (points[2] - points[1])
    soft.sweep(group, np.array([points[1], calf, points[2]]), np.array([bend, 0.95 * bend, end]) * grown, step=0.5)
    soft.sweep(group, points[2:4], np.array([end, toe]), step=0.7)
    length = float(np.linalg.norm(points[3] - points[2]))
    forward = (points[3] - points[2]) / max(length, 1e-6)
    axes = np.column_stack((forward, path.across, np.cross(forward, path.across)))
    centre = points[2] + forward * length * 0.4
    soft.add(group, centre[None], axes, np.array([[length * 0.48, 2.0 if hind else 1.6, 0.9]]))


def add_organs(mouse: Assembly, rng: np.random.Generator) -> None:
    """Remove the density of air in the lungs and of gas in the gut; add liver, stomach, kidneys, food and pellets."""
    column, organs = mouse.column, mouse.soft.organs
    chest = [frame for _, frame in column.of(THORACIC)]
    air = float(rng.uniform(-0.42, -0.2))
    for side in (1.0, -1.0):
        for level, size in ((2, (3.6, 2.8, 3.6)), (5, (4.6, 4.2, 5.0)), (8, (4.8, 4.8, 5.2))):
            frame = chest[min(level, len(chest) - 1)]
            at = np.array([-0.5, side * (1.9 + 0.3 * level), -5.4 - 0.25 * level])
            organs.blob("lung", frame, at, np.array(size) * mouse.plan.thorax_width, density=air)
    belly = column.at_level(min(15, len(column.frames) - 9))
    organs.blob("liver", belly, [8.0, -0.5, -8.5], [4.8, 9.0, 5.5], density=float(rng.uniform(0.08, 0.2)))
    organs.blob("stomach", belly, [4.5, 5.5, -7.5], [3.8, 4.4, 3.8], density=float(rng.uniform(0.0, 0.3)))
    for side in (1.0, -1.0):
        organs.blob("kidney", belly, [-3.0 + side, side * 6.0, -3.5], [4.2, 2.6, 2.6], density=0.08)
    for _ in range(int(rng.integers(6, 30))):
        at = np.array([rng.uniform(-16.0, 4.0), rng.normal(0.0, 5.2), rng.uniform(-14.0, -4.0)])
        density = float(rng.choice([-0.7, -0.45, 0.15, 0.3]))
        organs.blob("gut", belly, at, rng.uniform(0.7, 2.8, 3), density=density)
    for _ in range(int(rng.integers(0, 9))):
        at = np.array([rng.uniform(-20.0, -8.0), rng.normal(0.5, 2.5), rng.uniform(-8.0, -3.0)])
        organs.blob("pellet", belly, at, [2.0, 0.95, 0.95], density=0.35)
