"""The bones of a skeleton, each in axes that suit its posing, and named as the parts of our own mice.

Bones are found by name: `Head`, `Pelvis`, `Cervical1` (the atlas) and so on, `Thoracic1`, `Lumbar1`, `Tail1`, and with
L or R in front `Scapula`, `Humerus`, `Ulna`, `Radius`, `Carpus`, `MetaCarpus1`, `FPhalange1`, `Femur`, `Tibia`,
`Tarsus`, `Metatarsus1`, `BPhalange1`. A thoracic vertebra's loose parts are its ribs, the pelvis's middle ones the
sacrum. Limbs are those of the left side, paws those of the side that is complete; the other side is their mirror image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from services.common.errors import Rejected
from training.simulation.anatomy.plan import CAUDAL, CERVICAL, FORMULA, LUMBAR, SACRAL, THORACIC
from training.simulation.skeleton.files import RestBone, read_bones
from training.simulation.skeleton.meshes import BoneMesh, closed, cut, joined, loose_parts
from training.simulation.skeleton.paws import RestPaw, rest_paw
from training.simulation.skeleton.ribs import RestRib, rest_ribs
from training.simulation.skeleton.shell import Shell, shell
from training.simulation.solids import Points

_REGIONS: Final = {CERVICAL: "Cervical", THORACIC: "Thoracic", LUMBAR: "Lumbar", CAUDAL: "Tail"}
_DISC: Final = {CERVICAL: 0.15, THORACIC: 0.24, LUMBAR: 0.3, SACRAL: 0.08, CAUDAL: 0.3}
SKULL_PIVOT: Final = 0.55
"""Share of the skull's length at which the face begins."""


@dataclass(frozen=True, slots=True)
class RestVertebra:
    """A vertebra around the middle of its body (x cranial, y left, z dorsal), and its body's measures.

    `step` is the distance to the next one, of which `disc` is the disc.
    """

    bone: Shell
    step: float
    disc: float
    radius: float


@dataclass(frozen=True, slots=True)
class LongBone:
    """A left long bone along x from its proximal joint (0) to its distal joint (`length`); it flexes towards y."""

    bone: Shell
    length: float


@dataclass(frozen=True, slots=True)
class Skeleton:
    """All bones at rest in millimetres, the paired ones of the left side.

    `pelvis` and `hip` are relative to the middle of the first sacral vertebra, `shoulder` (3,) to that of the first
    thoracic, `skull` (by part) to the joint with the atlas. The scapula lies relative to the shoulder joint.
    """

    vertebrae: Mapping[str, RestVertebra]
    ribs: Mapping[int, RestRib]
    pelvis: Shell
    hip: Points
    skull: Mapping[str, Shell]
    shoulder: Points
    scapula: Shell
    long_bones: Mapping[str, LongBone]
    paws: Mapping[str, RestPaw]


@cache
def load_skeleton(folder: Path) -> Skeleton:
    """The skeleton of a folder (see `files`). Raises Rejected `no_skeleton`, `unreadable_skeleton`, `missing_bone`."""
    bones = read_bones(folder)
    try:
        pelvis, sacrum = _pelvis(bones)
        vertebrae = _column(bones) | sacrum
        middle = np.array([0.5 * vertebrae["S1"].step, 0.0, 0.0])
        sacral_end = np.array([bones["Lumbar6"].joint[0], 0.0, bones["Lumbar6"].joint[2]]) - middle
        first = vertebrae["T1"]
        chest = bones["Thoracic1"].joint + np.array([0.5 * first.step, 0.0, 0.0])
        return Skeleton(
            vertebrae=vertebrae,
            ribs=rest_ribs([_loose_ribs(bones[f"Thoracic{n}"], vertebrae[f"T{n}"].step) for n in range(1, 14)]),
            pelvis=shell(pelvis.with_vertices(pelvis.vertices - sacral_end), 0.26, 0.9),
            hip=bones["LFemur"].joint - sacral_end,
            skull=_skull(bones["Head"].mesh),
            shoulder=bones["LScapula"].joint - chest,
            scapula=shell(bones["LScapula"].mesh, 0.14, 0.85),
            long_bones=_long_bones(bones),
            paws={"forepaw": _forepaw(bones), "hindpaw": _hindpaw(bones)},
        )
    except KeyError as error:
        message = f"{folder}: the skeleton has no bone {error.args[0]}"
        raise Rejected("missing_bone", message, bone=str(error.args[0])) from error


def _column(bones: Mapping[str, RestBone]) -> dict[str, RestVertebra]:
    """Cervical, thoracic, lumbar and caudal vertebrae by our names, as many as are usual in a mouse.

    A neck of eight loses its last, which is like those before it, and the others grow so that its length stays. A
    shorter tail lends its bones to the usual count by their place along it.
    """
    found = {}
    for region, name in _REGIONS.items():
        count = sum(bone.startswith(name) and bone[len(name) :].isdigit() for bone in bones)
        usual = FORMULA[region]
        stretch = 1.0 if region in (THORACIC, LUMBAR) else count / usual
        for number in range(1, usual + 1):
            place = number if region != CAUDAL else 1 + round((number - 1) * (count - 1) / (usual - 1))
            found[f"{region}{number}"] = _vertebra(bones, region, name, min(place, count), stretch)
    return found


def _vertebra(bones: Mapping[str, RestBone], region: str, name: str, number: int, stretch: float) -> RestVertebra:
    bone = bones[f"{name}{number}"]
    step = float(np.linalg.norm(_next_joint(bones, region, name, number) - bone.joint))
    parts = loose_parts(bone.mesh)
    mesh = min(parts, key=lambda part: abs(float(part.vertices[:, 1].mean()))) if region == THORACIC else joined(parts)
    # The joint is at the caudal end of a vertebra of the trunk, and at the cranial end of one of the tail.
    middle = np.array([0.5 * step * (-1.0 if region == CAUDAL else 1.0), 0.0, 0.0])
    centred = mesh.with_vertices((mesh.vertices - middle) * np.array([stretch, 1.0, 1.0]))
    waist = np.abs(centred.vertices[:, 0]) < 0.3 * step
    # The lowest point of the body, but not that of a haemal arch below it.
    radius = 0.9 * min(float(-np.quantile(centred.vertices[waist, 2], 0.03)), 0.75 * float(centred.box()[1, 1]))
    return RestVertebra(shell(centred, 0.2, 0.9), step * stretch, _DISC[region], radius)


def _next_joint(bones: Mapping[str, RestBone], region: str, name: str, number: int) -> Points:
    """The joint at the vertebra's other end; the last one of the tail ends with its mesh."""
    if region == CAUDAL:
        following = bones.get(f"{name}{number + 1}")
        bone = bones[f"{name}{number}"]
        return following.joint if following else bone.joint + np.array([bone.mesh.box()[0, 0], 0.0, 0.0])
    if number > 1:
        return bones[f"{name}{number - 1}"].joint
    above = {LUMBAR: "Thoracic", THORACIC: "Cervical", CERVICAL: "Head"}[region]
    last = max((int(bone[len(above) :]) for bone in bones if bone[len(above) :].isdigit() and above in bone), default=0)
    return bones[f"{above}{last}" if last else above].joint


def _loose_ribs(bone: RestBone, step: float) -> list[BoneMesh]:
    """The left ribs of a thoracic vertebra, relative to the middle of its body."""
    middle = np.array([0.5 * step, 0.0, 0.0])
    parts = [part.with_vertices(part.vertices - middle) for part in loose_parts(bone.mesh)]
    return [closed(part) for part in parts if float(part.vertices[:, 1].mean()) > 0.8]


def _pelvis(bones: Mapping[str, RestBone]) -> tuple[BoneMesh, dict[str, RestVertebra]]:
    """The left hip bone, and the sacral vertebrae: the loose parts of the pelvis but its largest."""
    parts = loose_parts(bones["Pelvis"].mesh)
    both, sacral = parts[0], sorted(parts[1 : 1 + FORMULA[SACRAL]], key=lambda part: -float(part.box()[1, 0]))
    left, _ = cut(both, both.vertices[:, 1] > 0.0)
    ends = [float(bones["Lumbar6"].joint[0]), *(float(part.box()[0, 0]) for part in sacral)]
    found = {}
    for number, part in enumerate(sacral, 1):
        step = ends[number - 1] - ends[number]
        low = float(part.box()[0, 2])
        middle = np.array([0.5 * (ends[number - 1] + ends[number]), 0.0, low + 1.25])
        bone = shell(part.with_vertices(part.vertices - middle), 0.2, 0.85)
        found[f"{SACRAL}{number}"] = RestVertebra(bone, step, _DISC[SACRAL], 1.1)
    return left, found


def _skull(head: BoneMesh) -> dict[str, Shell]:
    """Cranium, snout, zygomatic arches, mandible and teeth: upper and lower incisors, and molars."""
    parts = loose_parts(head)
    length, width = float(parts[0].box()[1, 0]), float(parts[0].box()[1, 1])
    skull = shell(parts[0], 0.26, 1.0, filling=0.05)
    x, y = skull.outer.vertices[:, 0], np.abs(skull.outer.vertices[:, 1])
    arch, rest = skull.cut((y > 0.74 * width) & (x > 0.3 * length) & (x < 0.7 * length))
    snout, cranium = rest.cut(rest.outer.vertices[:, 0] > SKULL_PIVOT * length)
    named = {"cranium": cranium, "snout": snout, "zygomatic arch": arch, "mandible": shell(parts[1], 0.3, 0.9)}
    ends = [float(part.box()[1, 0]) / length for part in parts[2:]]
    for name, low, high in (("molars", 0.0, 0.7), ("lower incisors", 0.7, 0.86), ("upper incisors", 0.86, 2.0)):
        group = [part for part, end in zip(parts[2:], ends, strict=True) if low <= end < high]
        if group:
            named[name] = shell(joined(group), 0.3, 1.2)
    return named


def _long_bones(bones: Mapping[str, RestBone]) -> dict[str, LongBone]:
    tibia = loose_parts(bones["LTibia"].mesh)
    carpus, tarsus = bones["LCarpus"].joint, bones["LTarsus"].joint
    found = {
        "humerus": _long_bone(bones["LHumerus"].mesh, bones["LUlna"].joint - bones["LHumerus"].joint, 1.0),
        "ulna": _long_bone(bones["LUlna"].mesh, carpus - bones["LUlna"].joint, 1.0),
        "radius": _long_bone(bones["LRadius"].mesh, carpus - bones["LRadius"].joint, 1.0),
        "femur": _long_bone(bones["LFemur"].mesh, bones["LTibia"].joint - bones["LFemur"].joint, -1.0),
        "tibia": _long_bone(tibia[0], tarsus - bones["LTibia"].joint, -1.0),
    }
    if len(tibia) > 1:
        found["fibula"] = _long_bone(tibia[1], tarsus - bones["LTibia"].joint, -1.0)
    return found


def _long_bone(mesh: BoneMesh, span: Points, flexes: float) -> LongBone:
    """`span` (3,) leads to the next joint; `flexes` is 1 for a bone that flexes cranially at rest, -1 caudally."""
    length = float(np.linalg.norm(span))
    along = span / length
    flexor = np.array([flexes, 0.0, 0.0]) - flexes * along[0] * along
    flexor /= np.linalg.norm(flexor)
    axes = np.column_stack((along, flexor, np.cross(along, flexor)))
    return LongBone(shell(mesh.with_vertices(mesh.vertices @ axes), 0.32, 0.9), length)


def _forepaw(bones: Mapping[str, RestBone]) -> RestPaw:
    side = _complete_side(bones, "MetaCarpus", "FPhalange")
    axes = np.column_stack(([0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]))
    return rest_paw(bones, side, ("Carpus", "MetaCarpus", "FPhalange"), axes)


def _hindpaw(bones: Mapping[str, RestBone]) -> RestPaw:
    side = _complete_side(bones, "Metatarsus", "BPhalange")
    return rest_paw(bones, side, ("Tarsus", "Metatarsus", "BPhalange"), np.eye(3))


def _complete_side(bones: Mapping[str, RestBone], upper: str, lower: str) -> str:
    counts = {
        side: sum(f"{side}{lower}{n}" in bones and f"{side}{upper}{n}" in bones for n in range(1, 6)) for side in "LR"
    }
    return max("LR", key=lambda side: counts[side])
