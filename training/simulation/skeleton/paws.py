"""Paws of a skeleton: wrist or ankle bones, and each digit as a chain of bones that can be lengthened and turned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.simulation.skeleton.files import RestBone
from training.simulation.skeleton.meshes import BoneMesh, joined, loose_parts
from training.simulation.skeleton.shell import Shell, shell
from training.simulation.solids import Points


@dataclass(frozen=True, slots=True)
class Digit:
    """The bones of a digit from metacarpal to claw, along x from its root (3,); `length` is that of all together."""

    bones: tuple[Shell, ...]
    root: Points
    angle: float
    length: float


@dataclass(frozen=True, slots=True)
class RestPaw:
    """A left paw relative to its joint: x towards the toes, y across to the animal's left, z away from the ground."""

    wrist: Shell
    digits: tuple[Digit, ...]


def rest_paw(bones: Mapping[str, RestBone], side: str, names: tuple[str, str, str], axes: Points) -> RestPaw:
    """Take a paw apart; `names` are those of wrist, metacarpals and phalanges, `axes` (3, 3) turns row vectors.

    A paw of four digits gets the fourth once more, smaller, as its fifth.
    """
    wrist_name, upper, lower = names
    joint = bones[side + wrist_name].joint
    across = 1.0 if side == "L" else -1.0

    def local(name: str) -> BoneMesh:
        bone = bones[side + name]
        mesh = bone.mesh.with_vertices(bone.mesh.vertices + bone.joint - joint)
        mesh = mesh if across > 0 else mesh.mirrored()
        return mesh.with_vertices(mesh.vertices @ axes)

    numbers = [n for n in range(1, 6) if f"{side}{upper}{n}" in bones and f"{side}{lower}{n}" in bones]
    digits = [_digit(local(f"{upper}{n}"), local(f"{lower}{n}")) for n in numbers]
    if len(digits) == 4:
        digits.append(_fifth(digits))
    return RestPaw(shell(local(wrist_name), 0.15, 0.85), tuple(digits))


def _digit(upper: BoneMesh, lower: BoneMesh) -> Digit:
    parts = [upper, *sorted(loose_parts(lower), key=lambda part: float(part.vertices[:, 0].mean()))]
    everything = joined(parts).vertices
    near = everything[everything[:, 0] <= np.quantile(everything[:, 0], 0.04)].mean(axis=0)
    far = everything[everything[:, 0] >= np.quantile(everything[:, 0], 0.98)].mean(axis=0)
    angle = float(np.arctan2(far[1] - near[1], far[0] - near[0]))
    turned = [part.with_vertices((part.vertices - near) @ turn_onto_x(angle)) for part in parts]
    length = float(np.linalg.norm((far - near)[:2]))
    return Digit(tuple(shell(part, 0.16, 0.9) for part in turned), near, angle, length)


def _fifth(digits: list[Digit]) -> Digit:
    last, before = digits[-1], digits[-2]
    bones = tuple(bone.moved(lambda vertices: vertices * 0.72) for bone in last.bones)
    return Digit(bones, 2 * last.root - before.root, 2 * last.angle - before.angle, last.length * 0.72)


def turn_onto_x(angle: float) -> Points:
    """Matrix (3, 3) for row vectors that turns a direction at `angle` onto x."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
