"""Abnormalities of the skull and teeth (level 2 Skull: outside the 1x13 call)."""

import numpy as np

from training.simulation.abnormalities.finding import Alteration
from training.simulation.anatomy.plan import BodyPlan
from training.simulation.anatomy.skull import CRANIUM, MANDIBLE, SNOUT, TEETH, ZYGOMA


def domed_skull(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """A short, high and broad brain case."""
    plan.skull.height *= 1.12 + 0.28 * severity
    plan.skull.width *= 1.04 + 0.1 * severity
    plan.skull.length *= 0.96 - float(rng.uniform(0.06, 0.1)) * severity
    return Alteration(("001",), (CRANIUM,))


def crooked_snout(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Snout bent to one side, or short."""
    if rng.random() < 0.6:
        plan.skull.snout_yaw = float(rng.choice([-1.0, 1.0])) * (7.0 + 16.0 * severity)
    else:
        plan.skull.snout *= 0.85 - 0.25 * severity
    return Alteration(("003",), (SNOUT, TEETH))


def short_mandible(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Lower jaw too short, so that the incisors do not meet."""
    plan.skull.mandible *= 0.88 - float(rng.uniform(0.2, 0.26)) * severity
    return Alteration(("004",), (MANDIBLE, TEETH))


def overgrown_teeth(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Incisors that grow past each other."""
    plan.skull.incisor = 1.5 + 1.1 * severity + float(rng.uniform(0.0, 0.2))
    return Alteration(("005",), (TEETH,))


def thin_zygoma(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Zygomatic arches flat and thin."""
    plan.skull.zygoma = 0.86 - float(rng.uniform(0.24, 0.32)) * severity
    return Alteration(("002",), (ZYGOMA,))
