"""A simulated specimen: its identity, its findings, and the true labels.

`Prevalence` sets how many specimens are abnormal, and which findings occur together. Counts of vertebrae, ribs and
digits are compared with the normal range at the end, because two findings may cancel out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from services.common.observations import abnormal_elsewhere, call_vector
from training.labels.curation.ranges import ANATOMICAL
from training.population import Population
from training.simulation.abnormalities.catalogue import GROUP, WEIGHTS, apply, choose_kinds
from training.simulation.abnormalities.finding import Finding, parameter_id
from training.simulation.abnormalities.ribcage import COUNT as RIBS
from training.simulation.abnormalities.spine import COUNT as VERTEBRAE
from training.simulation.anatomy.mouse import Mouse, build_mouse
from training.simulation.anatomy.plan import BodyPlan, normal_plan
from training.simulation.anatomy.pose import Pose, draw_pose
from training.simulation.centres import CENTRES
from training.simulation.wide.anatomy import wide_plan
from training.simulation.wide.posture import draw_wide_pose


@dataclass(frozen=True, slots=True)
class Prevalence:
    """How often specimens are abnormal, how many findings they then have, which ones and how severe.

    `abnormal` is the share of abnormal specimens. `findings` are the probabilities of one, two, three and so on in one
    abnormal specimen. `weights` are the relative frequencies of the kinds. Severities are uniform in `severity`.
    """

    abnormal: float
    findings: tuple[float, ...]
    severity: tuple[float, float] = (0.4, 1.0)
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)


def weights_of_groups(shares: Mapping[str, float]) -> Mapping[str, float]:
    """Weights whose sum over the kinds of each level-2 class is the class's share; within a class as in WEIGHTS."""
    sums = {group: sum(WEIGHTS[kind] for kind in WEIGHTS if GROUP[kind] == group) for group in shares}
    return MappingProxyType({kind: WEIGHTS[kind] / sums[GROUP[kind]] * shares[GROUP[kind]] for kind in WEIGHTS})


BALANCED: Final = Prevalence(abnormal=0.5, findings=(0.6, 0.28, 0.12))
"""For training: half of the mice are abnormal, mostly with one finding each. Kinds are drawn by the catalogue's WEIGHTS
(0.3 to 2), which do not follow the public record, so that every label has enough examples."""

PUBLIC: Final = Prevalence(
    abnormal=0.0305,
    findings=(0.08, 0.30, 0.36, 0.26),
    weights=weights_of_groups({"Spine": 0.68, "Whole-body": 0.165, "Ribcage": 0.09, "Limbs": 0.05, "Skull": 0.03}),
)
"""The public record that the paper uses (section 3.1): 1,651 of 54,046 specimens are abnormal; of these, Spine 93.1 %,
Whole-body 41.1 % and Ribcage 29.9 %. The shares of Limbs and Skull, which the paper does not give, are assumed."""

RECORD: Final = replace(PUBLIC, abnormal=0.5)
"""As PUBLIC, but half of the mice are abnormal, so that a few thousand contain enough of each label."""


WIDE_SEVERITY: Final = (0.1, 1.0)
"""Severities of the wide population, whatever the prevalence: borderline cases are in."""

LEAST_SCORED: Final[Mapping[str, float]] = MappingProxyType(
    {"misshapen_vertebrae": 0.25, "abnormal_processes": 0.25, "transitional_vertebra": 0.25}
)
"""Severity from which a scorer sees an abnormality, by kind; 0 for all others. Below, the change is smaller than the
difference between two normal mice of the wide population, so the bones are drawn so but nothing is abnormal."""

_DIGITS: Final = "028"


def counts(plan: BodyPlan) -> dict[str, int]:
    """The counts that a scorer would find, by parameter stable id: IMPC_XRY_008, 009, 013 to 017 and 028."""
    found = {number: len(plan.region(region)) for region, number in VERTEBRAE.items()}
    ribs = [rib for rib in plan.ribs if not rib.rudimentary]
    found |= {number: sum(rib.side == side for rib in ribs) for side, number in RIBS.items()}
    found[_DIGITS] = sum(len(paw.digits) for paw in plan.paws.values())
    return {parameter_id(number): count for number, count in found.items()}


def normal_counts(plan: BodyPlan) -> set[str]:
    """Parameter stable ids of the counts within the anatomical range."""
    return {identifier for identifier, count in counts(plan).items() if ANATOMICAL[identifier].holds(count)}


STRAINS: Final = ("C57BL/6N", "C57BL/6NJ", "C57BL/6NTac", "C57BL/6NCrl")


@dataclass(frozen=True, slots=True)
class SimulatedSpecimen:
    """One simulated mouse and its truth; everything else about it follows from `seed` and `findings`.

    `spread` multiplies the variation of normal measurements in its population.
    """

    seed: int
    biological_sample_id: str
    centre: str
    sex: str
    strain: str
    findings: tuple[Finding, ...]
    population: Population = "plain"
    spread: float = 1.0

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
        plan = _normal(self.seed, self.sex, self.population, self.spread)
        for finding in self.findings:
            apply(plan, finding.kind, finding.severity, self.seed)
        return plan

    def pose(self, view: str, rng: np.random.Generator) -> Pose:
        """Draw a posture for a picture; `view` is DV or LAT."""
        return draw_wide_pose(view, rng) if self.population == "wide" else draw_pose(view, rng)

    def mouse(self, pose: Pose) -> Mouse:
        """This mouse in a posture."""
        return build_mouse(self.plan(), pose, self.seed)


def make_specimen(
    seed: int,
    *,
    centre: str | None = None,
    abnormal: bool | None = None,
    kinds: Mapping[str, float] | None = None,
    prevalence: Prevalence = BALANCED,
    centres: Sequence[str] = CENTRES,
    population: Population = "plain",
) -> SimulatedSpecimen:
    """The specimen of a seed (0 or greater): the same arguments always give the same mouse.

    `centre`, `abnormal` and `kinds` (severity by kind of the catalogue) override what the seed would draw. `centres`
    are those to draw from: for mice of centres that are not in training, pass UNSEEN_CENTRES.
    """
    rng = np.random.default_rng((seed, 1))
    sex = str(rng.choice(("female", "male")))
    strain, drawn_centre = str(rng.choice(STRAINS)), str(rng.choice(centres))
    is_abnormal = bool(rng.random() < prevalence.abnormal) if abnormal is None else abnormal
    if population == "wide":
        prevalence = replace(prevalence, severity=WIDE_SEVERITY)
    if kinds is None:
        kinds = draw_kinds(rng, prevalence) if is_abnormal else {}
    plan = _normal(seed, sex, population)
    return SimulatedSpecimen(
        seed=seed,
        biological_sample_id=str(100_000 + seed),
        centre=centre or drawn_centre,
        sex=sex,
        strain=strain,
        findings=judged([apply(plan, kind, severity, seed) for kind, severity in kinds.items()], plan),
        population=population,
    )


def judged(findings: Sequence[Finding], plan: BodyPlan) -> tuple[Finding, ...]:
    """The findings without counts that are normal in the end (one rib too many and one too few) or not to be seen."""
    normal = normal_counts(plan)
    return tuple(
        replace(f, parameter_ids=tuple(i for i in f.parameter_ids if i not in normal))
        if f.severity >= LEAST_SCORED.get(f.kind, 0.0)
        else replace(f, parameter_ids=(), parts=())
        for f in findings
    )


def draw_kinds(rng: np.random.Generator, prevalence: Prevalence) -> dict[str, float]:
    """Draw the findings of an abnormal specimen: severity by kind."""
    chances = np.array(prevalence.findings)
    count = 1 + int(rng.choice(len(chances), p=chances / chances.sum()))
    kinds = choose_kinds(count, rng, prevalence.weights)
    return {kind: round(float(rng.uniform(*prevalence.severity)), 3) for kind in kinds}


def _normal(seed: int, sex: str, population: Population, spread: float = 1.0) -> BodyPlan:
    rng = np.random.default_rng((seed, 2))
    return wide_plan(rng, sex, spread) if population == "wide" else normal_plan(rng, sex, spread)
