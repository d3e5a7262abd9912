"""Posed paws of a skeleton: its digits fanned, shortened, cut, doubled or joined as the plan says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.simulation.anatomy.plan import Paw
from training.simulation.skeleton.assembly import Assembly
from training.simulation.skeleton.paws import Digit, RestPaw, turn_onto_x
from training.simulation.skeleton.shell import BoneSet
from training.simulation.solids import Points


@dataclass(frozen=True, slots=True)
class PawPlace:
    """Where a paw goes: its joint (3,), axes (3, 3) as rows (toes, across, up), scale, and the fan of its digits."""

    joint: Points
    axes: Points
    scale: float
    fan: float

    def world(self, vertices: Points) -> Points:
        """World coordinates of vertices (n, 3) of a paw at rest."""
        placed: Points = self.joint + vertices * self.scale @ self.axes
        return placed


@dataclass(frozen=True, slots=True)
class _PawBuilder:
    """Adds the bones of one paw to a part."""

    bones: BoneSet
    part: str
    rest: RestPaw
    paw: Paw
    place: PawPlace

    def digit(self, number: int) -> Points:
        """Add one digit; returns its middle and its tip (2, 3). A sixth digit is a copy of the fifth at its side."""
        digits = self.rest.digits
        usual, share = digits[min(number, len(digits) - 1)], self.paw.digits[number]
        beyond = max(number - len(digits) + 1, 0)
        outward = float(np.sign(digits[-1].root[1] - digits[0].root[1]))
        turn = turn_onto_x(-(usual.angle * self.place.fan * self.paw.spread + outward * 0.16 * beyond))
        root = usual.root + np.array([0.0, outward * 0.7 * beyond, 0.0])
        stretch = np.array([share, 0.6 + 0.4 * share, 1.0])

        def world(vertices: Points) -> Points:
            return self.place.world(root + vertices * stretch @ turn)

        for bone in usual.bones[: self.paw.kept.get(number, len(usual.bones))]:
            self.bones.add(self.part, bone, world)
        return world(np.array([[0.5, 0.0, 0.0], [1.0, 0.0, 0.0]]) * usual.length)


def pose_paw(mouse: Assembly, part: str, rest: RestPaw, place: PawPlace) -> Points:
    """Add a paw with the digits of the plan; returns the tip of the middle digit (3,)."""
    mouse.bones.add(part, rest.wrist, place.world)
    paw = mouse.plan.paws[part]
    build = _PawBuilder(mouse.bones, part, rest, paw, place)
    tracks = [build.digit(number) for number in range(len(paw.digits))]
    for first, second in paw.joined:
        if second < len(tracks):
            web = np.array([0.0, 0.3, 0.6, 0.9])[:, None]
            starts, ends = (tracks[n][0] + web * (tracks[n][1] - tracks[n][0]) for n in (first, second))
            mouse.solids.tubes(part, starts, ends, 0.36 * place.scale, 0.75)
    return np.asarray(tracks[len(tracks) // 2][1], dtype=np.float64)


def mirrored_paw(paw: RestPaw) -> RestPaw:
    """The right paw of a left one."""
    turned = np.array([1.0, -1.0, 1.0])
    digits = tuple(
        Digit(tuple(bone.mirrored() for bone in one.bones), one.root * turned, -one.angle, one.length)
        for one in paw.digits
    )
    return RestPaw(paw.wrist.mirrored(), digits)
