"""The vertebrae of a skeleton in the frames of a column, with the changes of the plan, and bone between fused ones."""

from __future__ import annotations

import numpy as np

from training.simulation.anatomy.plan import CAUDAL, Vertebra
from training.simulation.anatomy.spine import Column
from training.simulation.skeleton.bones import RestVertebra, Skeleton
from training.simulation.skeleton.measures import rest_name
from training.simulation.skeleton.shell import BoneSet
from training.simulation.solids import Points, Solids


def pose_vertebrae(bones: BoneSet, solids: Solids, skeleton: Skeleton, column: Column) -> None:
    """Add every vertebra, and bone in place of discs and between arches where two are fused."""
    for index, (vertebra, frame) in enumerate(zip(column.vertebrae, column.frames, strict=True)):
        rest = skeleton.vertebrae[rest_name(vertebra.region, vertebra.number)]
        bones.add(
            vertebra.name, rest.bone, lambda v, rest=rest, one=vertebra, frame=frame: frame.at(_shaped(rest, one, v))
        )
        if (vertebra.fused or vertebra.arch_fused) and index + 1 < len(column.frames):
            _bridge(solids, column, index)


def _shaped(rest: RestVertebra, vertebra: Vertebra, vertices: Points) -> Points:
    """Vertices (n, 3) with the plan's length, girth, processes and wedge, relative to the middle of the body."""
    girth = vertebra.radius / rest.radius
    x = vertices[:, 0] * vertebra.length / (rest.step - rest.disc)
    y, z = vertices[:, 1] * girth, vertices[:, 2] * girth
    radius, canal = vertebra.radius, vertebra.radius + 0.9
    transverse = np.where(y > 0.0, vertebra.transverse_left, vertebra.transverse_right)
    y = np.where(np.abs(y) > radius, np.sign(y) * (radius + (np.abs(y) - radius) * transverse), y)
    spinous = 1.0 + vertebra.spinous if vertebra.region == CAUDAL else vertebra.spinous
    z = np.where(z > canal, canal + (z - canal) * spinous, z)
    # A wedge is short on one side, and its column leans to the other.
    lean = 1.0 - 0.42 * abs(vertebra.wedge) - 0.3 * vertebra.wedge * np.clip(y / radius, -1.0, 1.0)
    # A fused body has no waist and reaches its neighbour.
    x = x * lean * (1.0 + 0.1 * vertebra.fused)
    return np.column_stack((x, y - 0.5 * vertebra.wedge * radius, z))


def _bridge(solids: Solids, column: Column, index: int) -> None:
    """Bone between a fused vertebra and the one caudal to it."""
    vertebra, following = column.vertebrae[index], column.vertebrae[index + 1]
    here, there = column.frames[index], column.frames[index + 1]
    half, next_half = 0.5 * vertebra.length, 0.5 * following.length
    if vertebra.fused:
        start, end = here.at([-0.5 * half, 0.0, 0.0]), there.at([0.5 * next_half, 0.0, 0.0])
        girth = vertebra.radius * (0.8 + 0.35 * vertebra.fused)
        solids.tubes(vertebra.name, start[None], end[None], girth, 0.55 * vertebra.fused)
    if vertebra.arch_fused:
        high = vertebra.radius + 1.9
        start, end = here.at([-0.3 * half, 0.0, high]), there.at([0.0, 0.0, high])
        solids.tubes(vertebra.name, start[None], end[None], 0.75 * vertebra.arch_fused, 0.9)
