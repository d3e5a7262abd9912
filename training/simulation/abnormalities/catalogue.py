"""Every abnormality that can be drawn, its relative frequency, and its level-2 class."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from training.simulation.abnormalities import limbs_and_skull, ribcage, spine
from training.simulation.abnormalities.finding import Alter, Finding, parameter_id
from training.simulation.anatomy.plan import BodyPlan

CATALOGUE: Final[Mapping[str, Alter]] = MappingProxyType(
    {
        "scoliosis": spine.scoliosis,
        "kyphosis": spine.kyphosis,
        "lordosis": spine.lordosis,
        "vertebral_fusion": spine.vertebral_fusion,
        "process_fusion": spine.process_fusion,
        "abnormal_processes": spine.abnormal_processes,
        "misshapen_vertebrae": spine.misshapen_vertebrae,
        "transitional_vertebra": spine.transitional_vertebra,
        "vertebra_count": spine.vertebra_count,
        "tail_kink": spine.tail_kink,
        "short_tail": spine.short_tail,
        "rib_number": ribcage.rib_number,
        "missing_cranial_rib": ribcage.missing_cranial_rib,
        "rib_fusion": ribcage.rib_fusion,
        "wavy_ribs": ribcage.wavy_ribs,
        "ribcage_shape": ribcage.narrow_ribcage,
        "joints": limbs_and_skull.joints,
        "pelvis": limbs_and_skull.pelvis,
        "scapula": limbs_and_skull.scapula,
        "clavicle": limbs_and_skull.clavicle,
        "humerus": limbs_and_skull.long_bone("humerus", ("021",), shortening=0.3, bow=0.12),
        "radius": limbs_and_skull.long_bone("radius", ("022",), shortening=0.25, bow=0.12),
        "ulna": limbs_and_skull.long_bone("ulna", ("023",), shortening=0.25, bow=0.12),
        "femur": limbs_and_skull.long_bone("femur", ("024",), shortening=0.3, bow=0.13),
        "tibia": limbs_and_skull.long_bone("tibia", ("025", "033"), shortening=0.3, bow=0.13),
        "fibula": limbs_and_skull.long_bone("fibula", ("026",), shortening=0.45, bow=0.3),
        "extra_digit": limbs_and_skull.extra_digit,
        "missing_digit": limbs_and_skull.missing_digit,
        "short_digits": limbs_and_skull.short_digits,
        "joined_digits": limbs_and_skull.joined_digits,
        "polysyndactyly": limbs_and_skull.polysyndactyly,
        "damaged_digits": limbs_and_skull.damaged_digits,
        "skull_shape": limbs_and_skull.domed_skull,
        "zygomatic_bone": limbs_and_skull.thin_zygoma,
        "maxilla": limbs_and_skull.crooked_snout,
        "mandible": limbs_and_skull.short_mandible,
        "teeth": limbs_and_skull.overgrown_teeth,
    }
)
"""Kinds in the order in which they are applied: bends of the spine come before changes of the vertebra count."""

WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        **dict.fromkeys(CATALOGUE, 1.0),
        **dict.fromkeys(("vertebral_fusion", "scoliosis", "kyphosis", "vertebra_count", "joints"), 2.0),
        **dict.fromkeys(("humerus", "radius", "ulna", "fibula", "zygomatic_bone", "teeth"), 0.3),
        **dict.fromkeys(("extra_digit", "missing_digit", "short_digits", "joined_digits", "mandible", "maxilla"), 0.3),
        **dict.fromkeys(("polysyndactyly", "damaged_digits"), 0.3),
        **dict.fromkeys(("skull_shape", "femur", "tibia"), 0.5),
    }
)
"""Relative frequency of each kind, chosen so that every label has enough examples to learn from."""

GROUP: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(CATALOGUE, "Spine"),
        **dict.fromkeys(("rib_number", "missing_cranial_rib", "rib_fusion", "wavy_ribs", "ribcage_shape"), "Ribcage"),
        **dict.fromkeys(("joints", "pelvis", "scapula", "clavicle"), "Whole-body"),
        **dict.fromkeys(("humerus", "radius", "ulna", "femur", "tibia", "fibula"), "Limbs"),
        **dict.fromkeys(("extra_digit", "missing_digit", "short_digits", "joined_digits"), "Limbs"),
        **dict.fromkeys(("polysyndactyly", "damaged_digits"), "Limbs"),
        **dict.fromkeys(("skull_shape", "zygomatic_bone", "maxilla", "mandible", "teeth"), "Skull"),
    }
)
"""Level-2 class that each kind sets (a missing thoracic vertebra also sets Ribcage, through its ribs)."""


def choose_kinds(count: int, rng: np.random.Generator, weights: Mapping[str, float]) -> tuple[str, ...]:
    """`count` different kinds drawn by weight, in the catalogue's order."""
    names = list(CATALOGUE)
    share = np.array([weights.get(name, 0.0) for name in names])
    chosen = rng.choice(len(names), size=count, replace=False, p=share / share.sum())
    return tuple(names[i] for i in sorted(chosen.tolist()))


def apply(plan: BodyPlan, kind: str, severity: float, seed: int) -> Finding:
    """Alter the plan by one kind of abnormality; side, region and level follow from the seed."""
    rng = np.random.default_rng((seed, 11, list(CATALOGUE).index(kind)))
    altered = CATALOGUE[kind](plan, severity, rng)
    identifiers = tuple(sorted(parameter_id(number) for number in altered.observations))
    return Finding(kind, severity, identifiers, altered.parts)
