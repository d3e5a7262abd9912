"""Reads an articulated skeleton from a folder: one MuJoCo XML file and one NPZ file with the meshes.

The XML has nested `body` elements with `pos` (and `quat`) in metres; a `geom` of a body names its mesh. The NPZ holds
`NAME__v` float [n, 3], the vertices in the body's axes in metres, and `NAME__f` int [m, 3], the faces. In the rest
posture x points to the right, y cranially and z dorsally.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from services.common.errors import Rejected
from training.simulation.skeleton.meshes import BoneMesh
from training.simulation.solids import Points

_TO_MM: Final = 1000.0
_TO_OURS: Final = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Row vectors from (right, cranial, dorsal) to this simulator's (cranial, left, dorsal)."""


@dataclass(frozen=True, slots=True)
class RestBone:
    """A bone in the rest posture: its joint (3,) in the world, and its mesh relative to that joint, in millimetres."""

    joint: Points
    mesh: BoneMesh


def read_bones(folder: Path) -> Mapping[str, RestBone]:
    """All bones by the names of their meshes. Raises Rejected `no_skeleton` or `unreadable_skeleton`."""
    description, meshes = _files(folder)
    try:
        world = ET.parse(description).getroot().find("worldbody")  # noqa: S314 - chosen by the user on this machine
        arrays = np.load(meshes)
        bones: dict[str, RestBone] = {}
        for body in [] if world is None else world.findall("body"):
            # The root's own rotation only turns the whole animal.
            _walk(body, np.zeros(3), np.eye(3), arrays, bones)
    except (ET.ParseError, KeyError, ValueError, OSError) as error:
        message = f"{folder} holds no readable skeleton: {error}"
        raise Rejected("unreadable_skeleton", message, folder=str(folder)) from error
    return bones


@cache
def skeleton_digest(folder: Path) -> str:
    """SHA-256 of the skeleton's two files."""
    found = hashlib.sha256()
    for path in _files(folder):
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _files(folder: Path) -> tuple[Path, Path]:
    descriptions, meshes = sorted(folder.glob("*.xml")), sorted(folder.glob("*.npz"))
    if len(descriptions) != 1 or len(meshes) != 1:
        message = (
            f"{folder} holds {len(descriptions)} XML and {len(meshes)} NPZ files, a skeleton has one of each: "
            "see docs/phantom.md, A second anatomy"
        )
        raise Rejected("no_skeleton", message, folder=str(folder))
    return descriptions[0], meshes[0]


def _walk(
    body: ET.Element, joint: Points, axes: Points, arrays: Mapping[str, Points], bones: dict[str, RestBone]
) -> None:
    """Collect the bones of a body and of the bodies below; `axes` (3, 3) turns its row vectors to the world's."""
    for geom in body.findall("geom"):
        name = geom.get("mesh")
        if name and f"{name}__v" in arrays:
            vertices = np.asarray(arrays[f"{name}__v"], dtype=np.float64) @ axes @ _TO_OURS * _TO_MM
            bones[name] = RestBone(joint @ _TO_OURS, BoneMesh(vertices, arrays[f"{name}__f"].astype(np.int64)))
    for child in body.findall("body"):
        place = joint + _vector(child, "pos", "0 0 0") @ axes * _TO_MM
        _walk(child, place, _turn(_vector(child, "quat", "1 0 0 0")) @ axes, arrays, bones)


def _vector(element: ET.Element, key: str, default: str) -> Points:
    return np.array([float(value) for value in (element.get(key) or default).split()])


def _turn(quaternion: Points) -> Points:
    """Matrix (3, 3) for row vectors of a unit quaternion (w, x, y, z)."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
            [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
            [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
