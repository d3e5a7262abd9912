"""A simulated specimen: its identity, its findings, and the true labels.

Counts of vertebrae, ribs and digits are compared with the normal range at the end, because two findings may cancel out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from training.labels import abnormal_elsewhere, call_vector
from training.labels.curation.ranges import ANATOMICAL
from training.simulation.abnormalities.catalogue import apply, choose_kinds
from training.simulation.abnormalities.finding import Finding, parameter_id
from training.simulation.abnormalities.ribcage import COUNT as RIBS
from training.simulation.abnormalities.spine import COUNT as VERTEBRAE
from training.simulation.anatomy.plan import BodyPlan, normal_plan
from training.simulation.centres import CENTRES
from training.simulation.prevalence import BALANCED, Prevalence

_DIGITS: Final = "028"


def counts(plan: BodyPlan) -> dict[str, int]:
    """The counts that a scorer would find, by parameter stable id: IMPC_XRY_008, 009, 013 to 017 and 028."""
    found = {number: len(plan.region(region)) for region, number in VERTEBRAE.items()}
    found |= {number: sum(rib.side == side for rib in plan.ribs) for side, number in RIBS.items()}
    found[_DIGITS] = sum(len(paw.digits) for paw in plan.paws.values())
    return {parameter_id(number): count for number, count in found.items()}


def normal_counts(plan: BodyPlan) -> set[str]:
    """Parameter stable ids of the counts within the anatomical range."""
    return {identifier for identifier, count in counts(plan).items() if ANATOMICAL[identifier].holds(count)}


STRAINS: Final = ("C57BL/6N", "C57BL/6NJ", "C57BL/6NTac", "C57BL/6NCrl")


@dataclass(frozen=True, slots=True)
class SimulatedSpecimen:
    """One simulated mouse and its truth; everything else about it follows from `seed` and `findings`."""

    seed: int
    biological_sample_id: str
    centre: str
    sex: str
    strain: str
    findings: tuple[Finding, ...]

    @property
    def abnormal_parameter_ids(self) -> tuple[str, ...]:
        """IMPReSS observations that are abnormal, sorted."""
        return tuple(sorted({identifier for finding in self.findings for identifier in finding.parameter_ids}))

    @property
    def level1(self) -> int:
        """1 if anything is abnormal."""
        return int(bool(self.abnormal_parameter_ids))

    @property
    def call(self) -> tuple[int, ...]:
        """The true 1x13 call in the order of CALL_LABELS."""
        return call_vector(self.abnormal_parameter_ids)

    @property
    def abnormal_elsewhere(self) -> bool:
        """Whether it is abnormal, but in none of the thirteen labels."""
        return abnormal_elsewhere(self.abnormal_parameter_ids)

    @property
    def altered_parts(self) -> tuple[str, ...]:
        """Names of the altered bones."""
        return tuple(sorted({part for finding in self.findings for part in finding.parts}))

    def plan(self) -> BodyPlan:
        """The measurements of this mouse, including its abnormalities."""
        plan = _normal(self.seed, self.sex)
        for finding in self.findings:
            apply(plan, finding.kind, finding.severity, self.seed)
        return plan


def make_specimen(
    seed: int,
    *,
    centre: str | None = None,
    abnormal: bool | None = None,
    kinds: Mapping[str, float] | None = None,
    prevalence: Prevalence = BALANCED,
    centres: Sequence[str] = CENTRES,
) -> SimulatedSpecimen:
    """The specimen of a seed (0 or greater): the same arguments always give the same mouse.

    `centre`, `abnormal` and `kinds` (severity by kind of the catalogue) override what the seed would draw. `centres`
    are those to draw from: for mice of centres that are not in training, pass UNSEEN_CENTRES.
    """
    rng = np.random.default_rng((seed, 1))
    sex = str(rng.choice(("female", "male")))
    strain, drawn_centre = str(rng.choice(STRAINS)), str(rng.choice(centres))
    is_abnormal = bool(rng.random() < prevalence.abnormal) if abnormal is None else abnormal
    if kinds is None:
        kinds = _draw_kinds(rng, prevalence) if is_abnormal else {}
    plan = _normal(seed, sex)
    return SimulatedSpecimen(
        seed=seed,
        biological_sample_id=str(100_000 + seed),
        centre=centre or drawn_centre,
        sex=sex,
        strain=strain,
        findings=_judged([apply(plan, kind, severity, seed) for kind, severity in kinds.items()], plan),
    )


def _judged(findings: Sequence[Finding], plan: BodyPlan) -> tuple[Finding, ...]:
    """The findings without counts that are normal in the end (one rib too many and one too few)."""
    normal = normal_counts(plan)
    return tuple(replace(f, parameter_ids=tuple(i for i in f.parameter_ids if i not in normal)) for f in findings)


def _draw_kinds(rng: np.random.Generator, prevalence: Prevalence) -> dict[str, float]:
    chances = np.array(prevalence.findings)
    count = 1 + int(rng.choice(len(chances), p=chances / chances.sum()))
    kinds = choose_kinds(count, rng, prevalence.weights)
    return {kind: round(float(rng.uniform(*prevalence.severity)), 3) for kind in kinds}


def _normal(seed: int, sex: str) -> BodyPlan:
    return normal_plan(np.random.default_rng((seed, 2)), sex)
