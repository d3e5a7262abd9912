"""The skull of a skeleton with the changes of the plan."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from training.simulation.anatomy.plan import Skull
from training.simulation.skeleton.assembly import Assembly
from training.simulation.skeleton.bones import SKULL_PIVOT
from training.simulation.solids import Frame, Points

_PARTS: Final = {"lower incisors": "teeth", "upper incisors": "teeth", "molars": "teeth"}
_JAW_JOINT_MM: Final = 5.5
_JAW: Final = ("mandible", "lower incisors")
_ARCH_MM: Final = 4.2
"""Distance from the midline at which the zygomatic arches begin."""


def pose_skull(mouse: Assembly) -> Frame:
    """Add the skull and its landmarks; returns its frame at the joint with the atlas.

    The skull's pitch follows the posture, its yaw the atlas. Dense inner ears, which surface meshes lack, are added.
    """
    atlas, measures = mouse.column.frames[0], mouse.plan.skull
    heading = float(np.degrees(np.arctan2(atlas.axes[1, 0], atlas.axes[0, 0])))
    half = 0.5 * mouse.column.vertebrae[0].length
    frame = Frame(atlas.at([half + 0.3, 0.0, 0.0]), np.eye(3)).turned(yaw=heading, pitch=mouse.pose.skull_pitch)
    bones = mouse.skeleton.skull
    length = float(bones["snout"].outer.box()[1, 0])
    for name, bone in bones.items():
        mouse.bones.add(_PARTS.get(name, name), bone, partial(_placed, name, measures, length, frame))
    stretch = np.array([measures.length, measures.width, measures.height])
    for side in (1.0, -1.0):
        ear = frame.moved(np.array([2.6, side * 3.7, 1.2]) * stretch).turned(yaw=-side * 30.0)
        mouse.solids.blob("cranium", ear, [0.0, 0.0, 0.0], [1.9, 1.3, 1.5], density=0.9, wall=0.3)
        mouse.solids.blob("cranium", ear, [0.1, 0.0, 0.4], [0.7, 0.6, 0.7], density=0.7, wall=0.3)
    snout = bones["snout"].outer.vertices
    tip = snout[np.argmax(snout[:, 0])][None]
    mouse.named["skull.nose"] = _placed("snout", measures, length, frame, tip)[0]
    mouse.named["skull.occiput"] = frame.at(np.array([0.0, 0.0, 5.0]) * stretch)
    return frame


def _placed(name: str, measures: Skull, length: float, frame: Frame, vertices: Points) -> Points:
    """World vertices (n, 3) of a part of the skull; `length` is that of the whole skull at rest."""
    pivot = SKULL_PIVOT * length
    x, y, z = vertices.T.copy()
    if name in _JAW:
        x = _JAW_JOINT_MM + (x - _JAW_JOINT_MM) * measures.mandible
    elif name != "molars":
        x = np.where(x > pivot, pivot + (x - pivot) * measures.snout, x)
    if name not in _JAW:
        beyond = np.clip((x - pivot) / 4.0, 0.0, 1.0)
        y = y + np.maximum(x - pivot, 0.0) * np.sin(np.radians(measures.snout_yaw)) * beyond
    if name == "zygomatic arch":
        y = np.sign(y) * (_ARCH_MM + (np.abs(y) - _ARCH_MM) * measures.zygoma)
    grown = measures.incisor - 1.0
    if name == "upper incisors":
        z = z - grown * 2.2 * np.clip((-z - 1.5) / 3.0, 0.0, 1.0)
    if name == "lower incisors":
        tip = np.clip((x - 0.72 * length) / 3.0, 0.0, 1.0) * grown
        x, z = x + 1.2 * tip, z + 2.0 * tip
    return frame.at(np.column_stack((x, y, z)) * np.array([measures.length, measures.width, measures.height]))
