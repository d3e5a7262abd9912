"""The skull of a skeleton with the changes of the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from training.simulation.anatomy.plan import BodyPlan, Skull
from training.simulation.anatomy.pose import Pose
from training.simulation.anatomy.spine import Column
from training.simulation.skeleton.bones import SKULL_PIVOT, Skeleton
from training.simulation.skeleton.shell import BoneSet
from training.simulation.solids import Frame, Points, Solids

_PARTS: Final = {"lower incisors": "teeth", "upper incisors": "teeth", "molars": "teeth"}
_JAW_JOINT_MM: Final = 5.5
_JAW: Final = ("mandible", "lower incisors")
_ARCH_MM: Final = 4.2
"""Distance from the midline at which the zygomatic arches begin."""


def pose_skull(
    bones: BoneSet, solids: Solids, skeleton: Skeleton, plan: BodyPlan, pose: Pose, column: Column
) -> tuple[Frame, dict[str, Points]]:
    """Add the skull; returns its frame at the joint with the atlas and the landmarks nose and occiput.

    The skull's pitch follows the posture, its yaw the atlas. Dense inner ears, which surface meshes lack, are added.
    """
    atlas = column.frames[0]
    heading = float(np.degrees(np.arctan2(atlas.axes[1, 0], atlas.axes[0, 0])))
    half = 0.5 * column.vertebrae[0].length
    frame = Frame(atlas.at([half + 0.3, 0.0, 0.0]), np.eye(3)).turned(yaw=heading, pitch=pose.skull_pitch)
    for name, bone in skeleton.skull.items():
        shape = _shaper(name, plan.skull, skeleton)
        bones.add(_PARTS.get(name, name), bone, lambda vertices, shape=shape: frame.at(shape(vertices)))
    stretch = np.array([plan.skull.length, plan.skull.width, plan.skull.height])
    for side in (1.0, -1.0):
        ear = frame.moved(np.array([2.6, side * 3.7, 1.2]) * stretch).turned(yaw=-side * 30.0)
        solids.blob("cranium", ear, [0.0, 0.0, 0.0], [1.9, 1.3, 1.5], density=0.9, wall=0.3)
        solids.blob("cranium", ear, [0.1, 0.0, 0.4], [0.7, 0.6, 0.7], density=0.7, wall=0.3)
    snout = skeleton.skull["snout"].outer
    tip = snout.vertices[np.argmax(snout.vertices[:, 0])][None]
    nose = frame.at(_shaper("snout", plan.skull, skeleton)(tip))[0]
    return frame, {"skull.nose": nose, "skull.occiput": frame.at(np.array([0.0, 0.0, 5.0]) * stretch)}


def _shaper(name: str, measures: Skull, skeleton: Skeleton) -> Callable[[Points], Points]:
    """The change of a skull part's vertices (n, 3)."""
    length = float(skeleton.skull["snout"].outer.box()[1, 0])
    pivot = SKULL_PIVOT * length

    def shape(vertices: Points) -> Points:
        x, y, z = vertices.T.copy()
        if name in _JAW:
            x = _JAW_JOINT_MM + (x - _JAW_JOINT_MM) * measures.mandible
        elif name != "molars":
            x = np.where(x > pivot, pivot + (x - pivot) * measures.snout, x)
        beyond = np.clip((x - pivot) / 4.0, 0.0, 1.0)
        if name not in _JAW:
            y = y + np.maximum(x - pivot, 0.0) * np.sin(np.radians(measures.snout_yaw)) * beyond
        if name == "zygomatic arch":
            side = np.sign(y)
            y = side * (_ARCH_MM + (np.abs(y) - _ARCH_MM) * measures.zygoma)
        grown = measures.incisor - 1.0
        if name == "upper incisors":
            z = z - grown * 2.2 * np.clip((-z - 1.5) / 3.0, 0.0, 1.0)
        if name == "lower incisors":
            tip = np.clip((x - 0.72 * length) / 3.0, 0.0, 1.0) * grown
            x, z = x + 1.2 * tip, z + 2.0 * tip
        return np.column_stack((x, y, z)) * np.array([measures.length, measures.width, measures.height])

    return shape
