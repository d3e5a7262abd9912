"""Abnormalities of ribs and ribcage."""

from typing import Final

import numpy as np

from training.simulation.abnormalities.finding import Alteration, random_sides
from training.simulation.anatomy.plan import SIDES, BodyPlan, new_rib

COUNT: Final = {"R": "008", "L": "009"}


def rib_number(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """An extra rib on the first lumbar vertebra, or one to three of the last ribs missing."""
    sides = random_sides(rng)
    levels = max(rib.level for rib in plan.ribs)
    if rng.random() < 0.4:
        extra = [new_rib(side, min(levels + 1, 14)) for side in sides]
        for rib in extra:
            rib.reach *= 0.6 + 0.4 * severity
        plan.ribs += extra
        parts = [rib.name for rib in extra]
    else:
        gone = 1 + int(severity > 0.6) + int(severity > 0.85)
        parts = [f"T{level + 1}" for level in range(levels - gone + 1, levels + 1)]
        plan.ribs = [rib for rib in plan.ribs if not (rib.side in sides and rib.level > levels - gone)]
    return Alteration(tuple(COUNT[side] for side in sides), tuple(parts))


def missing_cranial_rib(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """The first rib (and the second when severe) absent on one or both sides."""
    sides = random_sides(rng)
    gone = 1 + int(severity > 0.7)
    plan.ribs = [rib for rib in plan.ribs if not (rib.side in sides and rib.level < gone)]
    near = tuple(f"rib {side}{gone + 1}" for side in sides)
    return Alteration(("068", *(COUNT[side] for side in sides)), (*near, "T1"))


def rib_fusion(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """One to three neighbouring pairs of ribs joined by plates of bone on one side."""
    side, first = str(rng.choice(SIDES)), int(rng.integers(2, 8))
    parts = []
    for level in range(first, first + 1 + round(2 * severity)):
        rib, other = plan.rib(side, level), plan.rib(side, level + 1)
        if rib is not None and other is not None:
            rib.fused_to = level + 1
            other.slant += (rib.slant - other.slant) * 0.6 * severity
            parts += [rib.name, other.name]
    return Alteration(("011",), tuple(dict.fromkeys(parts)))


def wavy_ribs(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Several ribs wavy, kinked and thickened."""
    sides, first = random_sides(rng), int(rng.integers(2, 8))
    parts = []
    for rib in plan.ribs:
        if rib.side in sides and first <= rib.level < first + 5:
            rib.wave = (0.5 + 1.0 * severity) * float(rng.uniform(0.7, 1.2))
            rib.radius *= 1.0 + 0.5 * severity
            parts.append(rib.name)
    return Alteration(("010", "069"), tuple(parts))


def narrow_ribcage(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """A chest that is too narrow, too wide and shallow, or collapsed on one side."""
    if rng.random() < 0.4:
        side = str(rng.choice(SIDES))
        fallen = [rib for rib in plan.ribs if rib.side == side]
        for rib in fallen:
            rib.width *= 1.0 - 0.2 - 0.35 * severity
            rib.kink += 4.0 * severity
        return Alteration(("059",), tuple(rib.name for rib in fallen))
    wider = rng.random() < 0.4
    plan.thorax_width *= 1.15 + 0.25 * severity if wider else 0.85 - 0.25 * severity
    plan.thorax_depth *= 0.9 - 0.2 * severity if wider else 1.06 + 0.12 * severity
    return Alteration(("059",), tuple(rib.name for rib in plan.ribs))
