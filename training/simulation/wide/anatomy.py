"""Normal mice as different as strains, ages, feeding and breeding make them (docs/phantom.md gives the reasons).

Every variation is normal: no number here makes a finding. The counts that a scorer compares stay within the anatomical
range.
"""

from typing import Final

import numpy as np

from training.simulation.anatomy.plan import (
    CAUDAL,
    CERVICAL,
    LUMBAR,
    SACRAL,
    SIDES,
    THORACIC,
    BodyPlan,
    new_rib,
    normal_plan,
)

_Rng = np.random.Generator

FIVE_LUMBAR: Final = 0.06
RUDIMENTARY_RIB: Final = 0.08
PREGNANT: Final = 0.08
YOUNG_ANIMAL: Final = 0.15
_TAIL: Final = (26, 30)
"""Caudal vertebrae of normal mice; `ANATOMICAL` allows 26 to 31."""


def wide_plan(rng: _Rng, sex: str, spread: float = 1.0) -> BodyPlan:
    """A mouse without abnormality; `spread` multiplies the variation of its measurements."""
    plan = normal_plan(rng, sex, 1.3 * spread)
    _build(plan, sex, rng, spread)
    _bones(plan, rng, spread)
    _vertebrae(plan, rng, spread)
    _ribs(plan, rng, spread)
    _skull(plan, rng, spread)
    _variants(plan, rng)
    return plan


def _build(plan: BodyPlan, sex: str, rng: _Rng, spread: float) -> None:
    """Age, length against breadth, fat, pregnancy, and the filling of the bowel."""
    if rng.random() < YOUNG_ANIMAL:
        plan.scale *= float(rng.uniform(0.68, 0.9))
        plan.mineral *= float(rng.uniform(0.6, 0.9))
        plan.fat *= 0.5
    stocky = float(rng.normal(0.0, spread))
    for vertebra in plan.vertebrae:
        if vertebra.region in (THORACIC, LUMBAR):
            vertebra.length *= float(np.exp(-0.055 * stocky))
    plan.breadth = float(np.exp(0.07 * stocky + rng.normal(0.08, 0.07 * spread)))
    plan.thorax_width *= float(np.exp(0.025 * stocky))
    plan.fat += float(rng.exponential(0.25))
    plan.bowel = float(rng.gamma(1.2, 0.7))
    if sex == "female" and rng.random() < PREGNANT:
        plan.young = int(rng.integers(4, 11))
        plan.fat = max(plan.fat, 1.0 + 0.08 * plan.young)


def _bones(plan: BodyPlan, rng: _Rng, spread: float) -> None:
    """Thickness and mineral of all bones, and lengths of the limbs."""
    plan.bone_girth = float(np.exp(rng.normal(0.08, 0.13 * spread)))
    plan.mineral *= float(np.exp(rng.normal(0.1, 0.28 * spread)))
    limbs = float(rng.normal(1.0, 0.03 * spread))
    for names in (("humerus", "ulna", "radius"), ("femur", "tibia", "fibula"), ("scapula", "clavicle"), ("ilium",)):
        stretch, girth = limbs * float(rng.normal(1.0, 0.02 * spread)), float(rng.normal(1.0, 0.06 * spread))
        for name in names:
            for side in SIDES:
                plan.bones[f"{name} {side}"].length *= stretch
                plan.bones[f"{name} {side}"].radius *= girth


def _vertebrae(plan: BodyPlan, rng: _Rng, spread: float) -> None:
    """Shape of the vertebrae of each region, and the natural curves of the spine."""
    for region in (CERVICAL, THORACIC, LUMBAR, SACRAL, CAUDAL):
        length, girth, disc = (float(np.exp(rng.normal(0.0, sd * spread))) for sd in (0.035, 0.07, 0.2))
        spinous, transverse = (float(np.exp(rng.normal(0.0, 0.12 * spread))) for _ in range(2))
        curve = float(np.exp(rng.normal(0.0, 0.15 * spread)))
        for vertebra in plan.region(region):
            vertebra.length *= length
            vertebra.radius *= girth
            vertebra.disc *= disc
            vertebra.pitch *= curve
            vertebra.spinous *= spinous * float(np.exp(rng.normal(0.0, 0.04)))
            vertebra.transverse_left *= transverse * float(np.exp(rng.normal(0.0, 0.04)))
            vertebra.transverse_right *= transverse * float(np.exp(rng.normal(0.0, 0.04)))


def _ribs(plan: BodyPlan, rng: _Rng, spread: float) -> None:
    slant, radius, reach = (float(np.exp(rng.normal(0.0, sd * spread))) for sd in (0.15, 0.1, 0.03))
    last = float(rng.normal(1.0, 0.12 * spread))
    for rib in plan.ribs:
        rib.slant *= slant * float(np.exp(rng.normal(0.0, 0.03)))
        rib.radius *= radius
        # Only the floating ribs vary much in length.
        rib.reach *= reach * (last if rib.level >= 11 else 1.0)


def _skull(plan: BodyPlan, rng: _Rng, spread: float) -> None:
    skull = plan.skull
    skull.length *= float(rng.normal(1.0, 0.03 * spread))
    skull.width *= float(rng.normal(1.0, 0.035 * spread))
    skull.height *= float(rng.normal(1.0, 0.035 * spread))
    skull.snout *= float(rng.normal(1.0, 0.035 * spread))
    skull.mandible *= float(rng.normal(1.0, 0.025 * spread))
    skull.zygoma *= float(rng.normal(1.0, 0.025 * spread))
    skull.snout_yaw += float(rng.normal(0.0, 1.0 * spread))


def _variants(plan: BodyPlan, rng: _Rng) -> None:
    """Variants that IMPReSS scores as normal: five lumbar vertebrae, a rudimentary 14th rib, the tail's count."""
    if rng.random() < FIVE_LUMBAR:
        lumbar = plan.region(LUMBAR)
        plan.vertebrae.remove(lumbar[2])
        for number, vertebra in enumerate(plan.region(LUMBAR), 1):
            vertebra.number = number
    if rng.random() < RUDIMENTARY_RIB:
        for side in SIDES[: 1 + int(rng.random() < 0.5)]:
            rib = new_rib(side, len(plan.region(THORACIC)))
            rib.reach = float(rng.uniform(11.0, 20.0))
            plan.ribs.append(rib)
    missing = len(plan.region(CAUDAL)) - int(rng.integers(_TAIL[0], _TAIL[1] + 1))
    if missing > 0:
        del plan.vertebrae[-missing:]
