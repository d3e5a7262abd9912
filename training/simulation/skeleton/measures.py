"""The measurements of a mouse with the bones of a skeleton, before posing: the plan that abnormalities alter."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from training.simulation.anatomy.plan import (
    CAUDAL,
    CERVICAL,
    FORMULA,
    LUMBAR,
    SACRAL,
    SIDES,
    THORACIC,
    BodyPlan,
    Bone,
    Paw,
    Skull,
    Vertebra,
    new_rib,
)
from training.simulation.skeleton.bones import Skeleton

USUAL_BONES: Final = {
    "scapula": (11.0, 0.35),
    "clavicle": (0.0, 0.2),
    "humerus": (10.9, 0.6),
    "ulna": (11.9, 0.36),
    "radius": (11.4, 0.36),
    "ilium": (11.0, 0.7),
    "femur": (14.6, 0.75),
    "tibia": (16.8, 0.62),
    "fibula": (11.0, 0.2),
}
"""Lengths in millimetres from joint to joint and radii. The skeleton's limb bones are brought to these lengths."""
_PITCH: Final = {CERVICAL: (-22.0, -6.0), THORACIC: (4.0, 10.0), LUMBAR: (6.0, -8.0), SACRAL: (-9.0, -7.0)}
"""Pitch in degrees of the first and the last vertebra of each region in the middle posture."""


def skeleton_plan(skeleton: Skeleton, rng: np.random.Generator, sex: str) -> BodyPlan:
    """A mouse without abnormality, varied in size, build, proportions and curvature."""
    scale = float(rng.normal(1.0 if sex == "male" else 0.94, 0.05))
    curved = {region: float(rng.normal(0.0, 5.0)) for region in _PITCH}
    thickness, tail = float(rng.normal(1.0, 0.08)), float(rng.normal(1.15, 0.06))
    vertebrae = []
    for region, count in FORMULA.items():
        stretch = float(rng.normal(1.0, 0.04)) * (tail if region == CAUDAL else 1.0)
        ends = _PITCH.get(region, (0.0, 0.0))
        pitch = np.linspace(*ends, count) + curved.get(region, 0.0) * np.linspace(-1.0, 1.0, count)
        vertebrae += [
            _vertebra(skeleton, _Place(region, number, float(pitch[number - 1])), (stretch, thickness), rng)
            for number in range(1, count + 1)
        ]
    width, depth = (float(v) for v in rng.normal(1.0, 0.07, 2))
    return BodyPlan(
        scale=scale,
        fat=float(rng.beta(1.6, 2.2)),
        vertebrae=vertebrae,
        ribs=[new_rib(side, level) for side in SIDES for level in range(FORMULA[THORACIC])],
        bones=_bones(rng, thickness),
        paws={f"{limb}paw {side}": Paw([1.0] * 5) for limb in ("fore", "hind") for side in SIDES},
        skull=Skull(*(float(v) for v in rng.normal(1.0, 0.04, 4))),
        thorax_width=width,
        thorax_depth=depth,
    )


def rest_name(region: str, number: int) -> str:
    """Name of the skeleton's vertebra that stands for one of a plan: the region's last for those beyond its count."""
    return f"{region}{min(number, FORMULA[region])}"


class _Place(NamedTuple):
    """Place of a vertebra in the column, and its pitch in degrees."""

    region: str
    number: int
    pitch: float


def _vertebra(skeleton: Skeleton, place: _Place, stretch: tuple[float, float], rng: np.random.Generator) -> Vertebra:
    rest = skeleton.vertebrae[rest_name(place.region, place.number)]
    tail = place.region == CAUDAL
    along, across = stretch
    return Vertebra(
        place.region,
        place.number,
        length=(rest.step - rest.disc) * along * float(rng.normal(1.0, 0.015)),
        radius=rest.radius * across,
        disc=rest.disc * along,
        pitch=0.0 if tail else place.pitch + float(rng.normal(0.0, 1.0)),
        spinous=0.0 if tail else float(rng.normal(1.0, 0.06)),
    )


def _bones(rng: np.random.Generator, thickness: float) -> dict[str, Bone]:
    bones = {}
    limbs = float(rng.normal(1.0, 0.04))
    for name, (length, radius) in USUAL_BONES.items():
        stretch = limbs * float(rng.normal(1.0, 0.025))
        for side in SIDES:
            each = float(rng.normal(1.0, 0.006))
            bones[f"{name} {side}"] = Bone(length * stretch * each, radius * thickness)
    return bones
