"""The measurements of one mouse before posing: the seed varies them, and abnormalities alter them.

Lengths in millimetres and angles in degrees of a young adult C57BL/6 mouse, taken from the public micro-CT atlas
Digimouse (Dogdas et al. 2007) and IMPC radiographs; vertebral formula C7 T13 L6 S4 Ca28 (IMPReSS IMPC_XRY_013-017).
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

CERVICAL: Final = "C"
THORACIC: Final = "T"
LUMBAR: Final = "L"
SACRAL: Final = "S"
CAUDAL: Final = "Ca"
FORMULA: Final = {CERVICAL: 7, THORACIC: 13, LUMBAR: 6, SACRAL: 4, CAUDAL: 28}
SIDES: Final = ("L", "R")
RUDIMENTARY_REACH: Final = 24.0
"""A rib that reaches fewer degrees around the chest is a stump; the shortest extra rib that is a finding reaches 25."""

_LENGTHS: Final = {
    CERVICAL: (1.2, 1.5, 1.15, 1.15, 1.15, 1.2, 1.25),
    THORACIC: (1.35, 1.4, 1.45, 1.5, 1.55, 1.6, 1.65, 1.75, 1.85, 2.0, 2.2, 2.45, 2.7),
    LUMBAR: (2.9, 3.1, 3.35, 3.5, 3.5, 3.2),
    SACRAL: (3.1, 2.9, 2.7, 2.6),
}
_RADII: Final = {CERVICAL: (0.9, 0.85), THORACIC: (0.8, 0.92), LUMBAR: (1.02, 1.2), SACRAL: (1.12, 0.98)}
_PITCH: Final = {
    CERVICAL: (-34, -46, -50, -46, -36, -22, -6),
    THORACIC: (7, 17, 23, 25, 24, 21, 18, 15, 12, 9, 6, 4, 2),
    LUMBAR: (0, -3, -6, -9, -11, -12),
    SACRAL: (-13, -13, -12, -10),
}


@dataclass(slots=True)
class Vertebra:
    """One vertebra: its body, the disc caudal to it, its direction and its processes.

    `pitch` and `yaw` are the heading of the caudal direction: positive rises dorsally, or turns to the left.
    Processes are scales of the region's usual ones (0 = absent); `wedge` narrows one side (-1 left, 1 right).
    """

    region: str
    number: int
    length: float
    radius: float
    disc: float
    pitch: float = 0.0
    yaw: float = 0.0
    spinous: float = 1.0
    transverse_left: float = 1.0
    transverse_right: float = 1.0
    wedge: float = 0.0
    fused: float = 0.0
    arch_fused: float = 0.0

    @property
    def name(self) -> str:
        """For example T8."""
        return f"{self.region}{self.number}"


@dataclass(slots=True)
class Rib:
    """One rib: the level at which it leaves the spine (0 = first thoracic) and its shape."""

    side: str
    level: int
    reach: float
    width: float
    depth: float
    slant: float
    radius: float
    wave: float = 0.0
    kink: float = 0.0
    fused_to: int | None = None

    @property
    def rudimentary(self) -> bool:
        """Whether it is only a stump, which scorers do not count as a rib."""
        return self.reach < RUDIMENTARY_REACH

    @property
    def name(self) -> str:
        """For example rib L5."""
        return f"rib {self.side}{self.level + 1}"


@dataclass(slots=True)
class Bone:
    """A long or flat bone of one side: usual length in millimetres, radius, and how much it bows (share of length)."""

    length: float
    radius: float
    bow: float = 0.0
    swelling: float = 0.0
    shift: float = 0.0


@dataclass(slots=True)
class Paw:
    """The digits of one paw: lengths as shares of the usual, pairs joined by bone, and how far they spread.

    `kept` maps damaged digits to the number of their four bones (metacarpal, two phalanges, claw) that remain.
    """

    digits: list[float]
    joined: list[tuple[int, int]] = field(default_factory=list)
    spread: float = 1.0
    kept: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Skull:
    """Scales of the skull's parts (1 = usual) and deviations in degrees or millimetres."""

    length: float = 1.0
    width: float = 1.0
    height: float = 1.0
    snout: float = 1.0
    snout_yaw: float = 0.0
    mandible: float = 1.0
    incisor: float = 1.0
    zygoma: float = 1.0


@dataclass(slots=True)
class BodyPlan:
    """All measurements of one mouse.

    `scale` multiplies every length; `fat`, usually in [0, 1], widens the soft tissue; `breadth` that of the trunk,
    `bone_girth` the radius and `mineral` the density of every bone. `bowel` is how full of gas and food the bowel is
    beyond the usual, and `young` the number of unborn young.
    """

    scale: float
    fat: float
    vertebrae: list[Vertebra]
    ribs: list[Rib]
    bones: dict[str, Bone]
    paws: dict[str, Paw]
    skull: Skull
    thorax_width: float = 1.0
    thorax_depth: float = 1.0
    breadth: float = 1.0
    bone_girth: float = 1.0
    mineral: float = 1.0
    bowel: float = 0.0
    young: int = 0

    def region(self, region: str) -> list[Vertebra]:
        """The vertebrae of one region, cranial first."""
        return [vertebra for vertebra in self.vertebrae if vertebra.region == region]

    def rib(self, side: str, level: int) -> Rib | None:
        """The rib of one side and level, if there is one."""
        return next((rib for rib in self.ribs if rib.side == side and rib.level == level), None)


def normal_plan(rng: np.random.Generator, sex: str, spread: float = 1.0) -> BodyPlan:
    """A mouse without abnormality: size, fat, proportions and slight asymmetry vary within the normal range.

    `spread` multiplies the standard deviation of every measurement.
    """
    scale = float(rng.normal(1.02 if sex == "male" else 0.96, 0.035 * spread))
    vertebrae = [vertebra for region in FORMULA for vertebra in _vertebrae(region, rng, spread)]
    paws = {f"{limb}paw {side}": Paw([1.0] * 5) for limb in ("fore", "hind") for side in SIDES}
    skull = Skull(*(float(v) for v in rng.normal(1.0, 0.02 * spread, 4)))
    width, depth = (float(v) for v in rng.normal(1.0, 0.04 * spread, 2))
    return BodyPlan(
        scale=scale,
        fat=float(rng.beta(2.0, 2.5)),
        vertebrae=vertebrae,
        ribs=[_rib(side, level) for side in SIDES for level in range(FORMULA[THORACIC])],
        bones=_bones(rng, spread),
        paws=paws,
        skull=skull,
        thorax_width=width,
        thorax_depth=depth,
    )


def new_rib(side: str, level: int) -> Rib:
    """A rib of the usual measures at any level from 0 (first thoracic) to 13 (first lumbar)."""
    return _rib(side, level)


def _vertebrae(region: str, rng: np.random.Generator, spread: float) -> list[Vertebra]:
    count = FORMULA[region]
    if region == CAUDAL:
        return [caudal_vertebra(number, count, rng, spread) for number in range(1, count + 1)]
    radii = np.linspace(*_RADII[region], count)
    lengths = np.array(_LENGTHS[region]) * rng.normal(1.0, 0.02 * spread, count)
    pitch = np.array(_PITCH[region]) + rng.normal(0.0, 0.8 * spread, count)
    disc = 0.10 if region == SACRAL else 0.28 if region == LUMBAR else 0.22
    return [
        Vertebra(region, i + 1, float(lengths[i]), float(radii[i]), disc, pitch=float(pitch[i])) for i in range(count)
    ]


def caudal_vertebra(number: int, count: int, rng: np.random.Generator, spread: float = 1.0) -> Vertebra:
    """A tail vertebra: longest near the eighth, tapering to the tip."""
    place = (number - 1) / max(count - 1, 1)
    rise = 2.5 + 1.5 * min(number / 7.0, 1.0)
    length = rise * (1.0 - 0.62 * max(place - 0.3, 0.0) / 0.7) * float(rng.normal(1.0, 0.015 * spread))
    return Vertebra(CAUDAL, number, length, 1.05 - 0.66 * place, 0.32 - 0.12 * place, spinous=0.0)


def _rib(side: str, level: int) -> Rib:
    """Usual ribs: 1-7 reach the sternum, 8-10 the costal arch, 11-13 float."""
    place = min(level / 12.0, 1.05)
    width = 3.4 + 6.6 * min(level / 8.0, 1.0) - 1.2 * max(level - 10, 0) / 3.0
    depth = 5.6 + 5.6 * min(level / 6.0, 1.0)
    reach = 128.0 if level < 7 else float(np.interp(level, (7, 9, 10, 12, 13), (116, 100, 82, 58, 40)))
    return Rib(side, level, reach, width, depth, slant=2.6 + 7.0 * place, radius=0.26 - 0.05 * place)


def _bones(rng: np.random.Generator, spread: float) -> dict[str, Bone]:
    usual = {
        "scapula": (9.5, 0.35),
        "clavicle": (5.6, 0.22),
        "humerus": (11.5, 0.62),
        "ulna": (13.2, 0.36),
        "radius": (11.0, 0.36),
        "ilium": (11.0, 0.7),
        "femur": (14.8, 0.78),
        "tibia": (17.2, 0.62),
        "fibula": (11.0, 0.2),
    }
    bones = {}
    for name, (length, radius) in usual.items():
        stretch, girth = rng.normal(1.0, 0.02 * spread), rng.normal(1.0, 0.04 * spread)
        for side in SIDES:
            bones[f"{name} {side}"] = Bone(length * stretch * float(rng.normal(1.0, 0.005 * spread)), radius * girth)
    return bones
