"""Abnormalities of girdles, long bones, joints and digits, and of the skull and teeth.

Those of the skull and teeth are outside the 1x13 call (level 2 Skull).
"""

from collections.abc import Callable

import numpy as np

from training.simulation.abnormalities.finding import Alter, Alteration, random_sides
from training.simulation.anatomy.plan import SIDES, BodyPlan
from training.simulation.anatomy.skull import CRANIUM, MANDIBLE, SNOUT, TEETH, ZYGOMA

DigitChange = Callable[[list[float]], list[float]]


def joints(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Swollen joints with spurs: knees, ankles, elbows or wrists, one kind or two."""
    names = rng.choice(["femur", "tibia", "humerus", "radius"], size=1 + int(severity > 0.6), replace=False)
    parts = [f"{name} {side}" for name in names.tolist() for side in random_sides(rng)]
    for part in parts:
        plan.bones[part].swelling = 0.5 + severity
    return Alteration(("027",), tuple(parts))


def pelvis(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """A short, flared and turned pelvis on one or both sides."""
    sides = random_sides(rng)
    for side in sides:
        bone = plan.bones[f"ilium {side}"]
        bone.length *= 1.0 - 0.14 - 0.26 * severity
        bone.bow = 0.25 + 0.55 * severity
        bone.shift = -6.0 - 16.0 * severity
    return Alteration(("012",), tuple(f"pelvis {side}" for side in sides))


def scapula(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """A small, narrow or raised scapula."""
    sides = random_sides(rng)
    for side in sides:
        bone = plan.bones[f"scapula {side}"]
        bone.length *= 0.86 - 0.4 * severity
        bone.bow = 0.4 + 0.6 * severity
        bone.shift = float(rng.normal(0.0, 3.0))
    return Alteration(("006",), tuple(f"scapula {side}" for side in sides))


def clavicle(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """A clavicle that is short or absent."""
    sides = random_sides(rng)
    for side in sides:
        bone = plan.bones[f"clavicle {side}"]
        bone.length = 0.0 if severity > 0.75 else bone.length * (0.75 - 0.5 * severity)
    return Alteration(("007",), tuple(f"scapula {side}" for side in sides))


def long_bone(name: str, observations: tuple[str, ...], shortening: float, bow: float) -> Alter:
    """The abnormality of one long bone: shorter and bowed on one or both sides."""

    def alter(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
        sides = random_sides(rng)
        for side in sides:
            bone = plan.bones[f"{name} {side}"]
            bone.length *= 1.0 - shortening * (0.35 + 0.65 * severity)
            bone.bow = bow * (0.4 + 0.6 * severity)
            bone.radius *= 1.0 + 0.18 * severity
        return Alteration(observations, tuple(f"{name} {side}" for side in sides))

    return alter


def extra_digit(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """A sixth digit on one or more paws (polydactyly)."""
    return _digits(plan, severity, rng, "028", lambda digits: [*digits, 0.8 + 0.2 * severity])


def missing_digit(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """One or two digits absent from one or more paws (oligodactyly)."""
    keep = 5 - 1 - int(severity > 0.6)
    return _digits(plan, severity, rng, "028", lambda digits: digits[:keep])


def short_digits(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Short phalanges (brachydactyly)."""
    return _digits(plan, severity, rng, "030", lambda digits: [d * (0.75 - 0.5 * severity) for d in digits])


def joined_digits(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Neighbouring digits joined by bone (syndactyly)."""
    altered = _digits(plan, severity, rng, "029", list)
    for part in altered.parts:
        plan.paws[part].joined = [(2, 3)] if severity < 0.7 else [(1, 2), (2, 3)]
        plan.paws[part].spread = 1.0 - 0.5 * severity
    return altered


def polysyndactyly(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """A sixth digit joined by bone to its neighbour, to two of them when severe."""
    altered = _digits(plan, severity, rng, "062", lambda digits: [*digits, 0.6 + 0.4 * severity])
    for part in altered.parts:
        paw = plan.paws[part]
        last = len(paw.digits) - 1
        paw.joined = [(last - 1, last)] if severity < 0.7 else [(last - 2, last - 1), (last - 1, last)]
        paw.spread = 1.0 - 0.25 * severity
    return Alteration(("028", *altered.observations), altered.parts)


def damaged_digits(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """One to three digits of a paw without their claw bone, or without all phalanges when severe."""
    altered = _digits(plan, severity, rng, "031", list)
    left = 3 - int(severity > 0.4) - int(severity > 0.75)
    for part in altered.parts:
        count = len(plan.paws[part].digits)
        hurt = rng.choice(count, size=min(1 + round(2 * severity), count), replace=False)
        plan.paws[part].kept = dict.fromkeys(hurt.tolist(), left)
    return altered


def _digits(
    plan: BodyPlan, severity: float, rng: np.random.Generator, observation: str, change: DigitChange
) -> Alteration:
    limb = str(rng.choice(["fore", "hind"]))
    parts = [f"{limb}paw {side}" for side in random_sides(rng)]
    if severity > 0.8:
        parts += [f"{'hind' if limb == 'fore' else 'fore'}paw {side}" for side in SIDES]
    for part in parts:
        plan.paws[part].digits = change(plan.paws[part].digits)
    return Alteration((observation,), tuple(parts))


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
