"""Abnormalities of the vertebral column: curvature, counts, fusion, shape, processes, tail."""

from typing import Final

import numpy as np

from training.simulation.abnormalities.finding import Alteration
from training.simulation.anatomy.plan import (
    CAUDAL,
    CERVICAL,
    LUMBAR,
    SACRAL,
    SIDES,
    THORACIC,
    BodyPlan,
    Vertebra,
    new_rib,
)

MORPHOLOGY: Final = {CERVICAL: "070", THORACIC: "071", LUMBAR: "072", SACRAL: "073", CAUDAL: "074"}
COUNT: Final = {CERVICAL: "013", THORACIC: "014", LUMBAR: "015", SACRAL: "016", CAUDAL: "017"}
PROCESSES: Final = {CERVICAL: "063", THORACIC: "064", LUMBAR: "065", SACRAL: "066", CAUDAL: "067"}


def _bump(plan: BodyPlan, apex: float, width: float) -> np.ndarray:
    """Change of heading along the spine (per vertebra, peak 1) that bends it at `apex` and straightens it again."""
    place = (np.arange(len(plan.vertebrae)) - apex) / width
    heading: np.ndarray = -place * np.exp(0.5 - 0.5 * place**2)
    return heading


def _names(plan: BodyPlan, centre: float, reach: float) -> tuple[str, ...]:
    near = range(max(int(centre - reach), 0), min(int(centre + reach) + 1, len(plan.vertebrae)))
    return tuple(plan.vertebrae[i].name for i in near if plan.vertebrae[i].region != CAUDAL)


def scoliosis(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """A lateral C or S curve of fixed vertebrae, 9 to 32 degrees of heading, visible in DV."""
    apex, side = float(rng.uniform(12.0, 22.0)), float(rng.choice([-1.0, 1.0]))
    angle = 9.0 + 23.0 * severity
    heading = angle * side * _bump(plan, apex, 2.6)
    if rng.random() < 0.4:
        heading = heading - 0.6 * angle * side * _bump(plan, apex - 6.0, 2.4)
    for vertebra, turn in zip(plan.vertebrae, heading, strict=True):
        vertebra.yaw += float(turn)
    return Alteration(("055", "056"), _names(plan, apex, 5))


def kyphosis(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """A sharp dorsal hump with its apex between T6 and L1, visible in LAT."""
    apex = float(rng.uniform(13.0, 20.0))
    for vertebra, turn in zip(plan.vertebrae, (10.0 + 24.0 * severity) * _bump(plan, apex, 3.2), strict=True):
        vertebra.pitch += float(turn)
    return Alteration(("055", "057"), _names(plan, apex, 5))


def lordosis(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """A hollow back with its apex between L1 and L5, visible in LAT."""
    apex = float(rng.uniform(20.5, 24.5))
    for vertebra, turn in zip(plan.vertebrae, -(10.0 + 22.0 * severity) * _bump(plan, apex, 2.8), strict=True):
        vertebra.pitch += float(turn)
    return Alteration(("055", "058"), _names(plan, apex, 4))


def vertebral_fusion(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Two to four neighbouring bodies fused, shortened and widened, without discs between them."""
    region = str(rng.choice([CERVICAL, THORACIC, LUMBAR, CAUDAL], p=[0.3, 0.25, 0.25, 0.2]))
    members = plan.region(region)
    count = min(2 + int(severity > 0.55) + int(severity > 0.85), len(members))
    first = int(rng.integers(0, max(min(len(members), 12) - count, 0) + 1))
    block = members[first : first + count]
    for vertebra in block:
        vertebra.length *= 1.0 - 0.22 * severity
        vertebra.radius *= 1.0 + 0.22 * severity
    for vertebra in block[:-1]:
        vertebra.fused = 0.55 + 0.45 * severity
        vertebra.arch_fused = 0.5 * severity
    return Alteration(("019", MORPHOLOGY[region]), tuple(v.name for v in block))


def process_fusion(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Neighbouring arches and spinous processes joined by a bar of bone."""
    region = str(rng.choice([CERVICAL, THORACIC, LUMBAR]))
    members = plan.region(region)
    first = int(rng.integers(0, len(members) - 3))
    for vertebra in members[first : first + 3]:
        vertebra.arch_fused = 0.5 + 0.5 * severity
        vertebra.spinous *= 1.0 + 0.3 * severity
    return Alteration(("061", PROCESSES[region]), tuple(v.name for v in members[first : first + 4]))


def abnormal_processes(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Spinous and transverse processes overgrown or stunted over a few vertebrae."""
    region = str(rng.choice([CERVICAL, THORACIC, LUMBAR, SACRAL, CAUDAL]))
    members = plan.region(region)
    first = int(rng.integers(0, max(min(len(members), 10) - 3, 1)))
    factor = 1.0 + 1.3 * severity if region in (CERVICAL, CAUDAL) or rng.random() < 0.6 else 1.0 - severity
    block = members[first : first + 3]
    for vertebra in block:
        vertebra.spinous = factor if region == CAUDAL else vertebra.spinous * factor
        vertebra.transverse_left *= factor
        vertebra.transverse_right *= factor
    return Alteration(("020", PROCESSES[region]), tuple(v.name for v in block))


def misshapen_vertebrae(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Wedge or half vertebrae that bend the column, or flattened bodies."""
    region = str(rng.choice([CERVICAL, THORACIC, LUMBAR, SACRAL, CAUDAL]))
    members = plan.region(region)
    count = 1 + int(severity > 0.5) + int(severity > 0.8)
    first = int(rng.integers(0, max(min(len(members), 12) - count, 1)))
    side = float(rng.choice([-1.0, 1.0]))
    block = members[first : first + count]
    for number, vertebra in enumerate(block):
        vertebra.wedge = side * severity * (1 if number % 2 == 0 else -1)
        vertebra.length *= 1.0 - 0.35 * severity
        vertebra.radius *= 1.0 + 0.2 * severity
        _turn_after(plan, vertebra, yaw=9.0 * vertebra.wedge)
    return Alteration(("018", MORPHOLOGY[region]), tuple(v.name for v in block))


def _turn_after(plan: BodyPlan, vertebra: Vertebra, yaw: float = 0.0, pitch: float = 0.0) -> None:
    for other in plan.vertebrae[plan.vertebrae.index(vertebra) :]:
        other.yaw += yaw
        other.pitch += pitch


def transitional_vertebra(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """The last lumbar vertebra takes a sacral shape, wings up to the ilium, on one or both sides."""
    last = plan.region(LUMBAR)[-1]
    both, size = rng.random() < 0.5, 1.0 + 1.1 * severity
    left = both or rng.random() < 0.5
    last.transverse_left *= size if left else 1.0
    last.transverse_right *= size if both or not left else 1.0
    last.radius *= 1.0 + 0.15 * severity
    last.fused, last.arch_fused = 0.8 * severity, 0.6 * severity
    return Alteration(("060",), (last.name, "S1"))


def vertebra_count(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """One vertebra too many or too few, or two in the lumbar region when severe; ribs change with thoracic ones.

    Five lumbar vertebrae are normal, so two must be missing there.
    """
    region = str(rng.choice([CERVICAL, THORACIC, LUMBAR, SACRAL]))
    members = plan.region(region)
    more = bool(rng.random() < 0.5)
    count = 2 if region == LUMBAR and (severity > 0.75 or not more) else 1
    start = plan.vertebrae.index(members[-1])
    for _ in range(count):
        if more:
            plan.vertebrae.insert(start + 1, _copy(members[-1], len(plan.region(region)) + 1))
        else:
            plan.vertebrae.remove(plan.region(region)[-1])
    observations = [COUNT[region]]
    if region == THORACIC:
        observations += ["008", "009"]
        last = len(plan.region(THORACIC))
        plan.ribs = [rib for rib in plan.ribs if rib.level < last]
        plan.ribs += [new_rib(side, 13) for side in SIDES if more]
    near = {plan.vertebrae[i].name for i in range(start - 1, min(start + 3, len(plan.vertebrae)))}
    return Alteration(tuple(observations), tuple(sorted(near)))


def _copy(vertebra: Vertebra, number: int) -> Vertebra:
    return Vertebra(
        vertebra.region, number, vertebra.length, vertebra.radius, vertebra.disc, pitch=vertebra.pitch, yaw=vertebra.yaw
    )


def short_tail(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """Caudal vertebrae missing from the tip: six when mild, nearly all when severe."""
    missing = min(int(6 + 21 * severity**1.3 + rng.integers(0, 2)), 27, len(plan.region(CAUDAL)) - 1)
    plan.vertebrae = plan.vertebrae[: len(plan.vertebrae) - missing]
    stump = plan.region(CAUDAL)
    stump[-1].length *= 0.6
    return Alteration(("017",), tuple(v.name for v in stump[-4:]))


def tail_kink(plan: BodyPlan, severity: float, rng: np.random.Generator) -> Alteration:
    """One to three sharp bends of the tail at misshapen vertebrae."""
    members = plan.region(CAUDAL)
    kinks = 1 + int(severity > 0.5) + int(severity > 0.85)
    last = max(len(members) - 4, 3)
    places = sorted(rng.choice(np.arange(2, last), size=min(kinks, last - 2), replace=False).tolist())
    side = float(rng.choice([-1.0, 1.0]))
    for number, place in enumerate(places):
        vertebra = members[place]
        vertebra.length *= 1.0 - 0.3 * severity
        vertebra.radius *= 1.15
        angle = (28.0 + 52.0 * severity) * side * (-1) ** number
        _turn_after(plan, vertebra, yaw=angle, pitch=angle * 0.8)
    return Alteration(("074",), tuple(members[p].name for p in places))
