"""The vertebrae of a skeleton in the frames of a column, with the changes of the plan, and bone between fused ones."""

from __future__ import annotations

from functools import partial

import numpy as np

from training.simulation.anatomy.plan import CAUDAL, Vertebra
from training.simulation.skeleton.assembly import Assembly
from training.simulation.skeleton.bones import RestVertebra
from training.simulation.skeleton.measures import rest_name
from training.simulation.solids import Frame, Points


def pose_vertebrae(mouse: Assembly) -> None:
    """Add every vertebra and its landmark, and bone in place of discs and between arches where two are fused."""
    column = mouse.column
    for index, (vertebra, frame) in enumerate(zip(column.vertebrae, column.frames, strict=True)):
        rest = mouse.skeleton.vertebrae[rest_name(vertebra.region, vertebra.number)]
        mouse.bones.add(vertebra.name, rest.bone, partial(_placed, rest, vertebra, frame))
        mouse.named[vertebra.name] = frame.origin
        if (vertebra.fused or vertebra.arch_fused) and index + 1 < len(column.frames):
            _bridge(mouse, index)


def _placed(rest: RestVertebra, vertebra: Vertebra, frame: Frame, vertices: Points) -> Points:
    """World vertices (n, 3) with the plan's length, girth, processes and wedge."""
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
    # A fused body reaches its neighbour.
    x = x * lean * (1.0 + 0.1 * vertebra.fused)
    return frame.at(np.column_stack((x, y - 0.5 * vertebra.wedge * radius, z)))


def _bridge(mouse: Assembly, index: int) -> None:
    """Bone between a fused vertebra and the one caudal to it."""
    vertebra, following = mouse.column.vertebrae[index : index + 2]
    here, there = mouse.column.frames[index : index + 2]
    half, next_half = 0.5 * vertebra.length, 0.5 * following.length
    if vertebra.fused:
        start, end = here.at([-0.5 * half, 0.0, 0.0]), there.at([0.5 * next_half, 0.0, 0.0])
        girth = vertebra.radius * (0.8 + 0.35 * vertebra.fused)
        mouse.solids.tubes(vertebra.name, start[None], end[None], girth, 0.55 * vertebra.fused)
    if vertebra.arch_fused:
        high = vertebra.radius + 1.9
        start, end = here.at([-0.3 * half, 0.0, high]), there.at([0.0, 0.0, high])
        mouse.solids.tubes(vertebra.name, start[None], end[None], 0.75 * vertebra.arch_fused, 0.9)
