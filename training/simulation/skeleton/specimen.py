"""Specimens whose bones are those of a skeleton: the same findings, labels and observations as our own mice have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from training.population import Population
from training.simulation.abnormalities.catalogue import apply
from training.simulation.anatomy.mouse import Mouse
from training.simulation.anatomy.plan import BodyPlan
from training.simulation.anatomy.pose import Pose
from training.simulation.centres import CENTRES
from training.simulation.skeleton.bones import load_skeleton
from training.simulation.skeleton.build import build_skeleton_mouse
from training.simulation.skeleton.measures import skeleton_plan
from training.simulation.skeleton.posture import draw_posture
from training.simulation.specimen import (
    BALANCED,
    STRAINS,
    WIDE_SEVERITY,
    Prevalence,
    SimulatedSpecimen,
    draw_kinds,
    judged,
)

FIRST_SEED: Final = 3_000_000_000
"""Seeds of these specimens start here, apart from those of our own mice."""


@dataclass(frozen=True, slots=True)
class SkeletonSpecimen(SimulatedSpecimen):
    """One simulated mouse with the bones in `folder`, and its truth; `control` is an animal of the control group."""

    folder: Path = Path()
    control: bool = False

    def plan(self) -> BodyPlan:
        """The measurements of this mouse, including its abnormalities."""
        plan = _normal(self.folder, self.seed, self.sex)
        for finding in self.findings:
            apply(plan, finding.kind, finding.severity, self.seed)
        return plan

    def pose(self, view: str, rng: np.random.Generator) -> Pose:
        """Draw a posture for a picture; `view` is DV or LAT."""
        return draw_posture(view, rng)

    def mouse(self, pose: Pose) -> Mouse:
        """This mouse in a posture."""
        return build_skeleton_mouse(load_skeleton(self.folder), self.plan(), pose, self.sex, self.seed)


def make_skeleton_specimen(
    folder: Path,
    seed: int,
    *,
    centre: str | None = None,
    abnormal: bool | None = None,
    kinds: Mapping[str, float] | None = None,
    prevalence: Prevalence = BALANCED,
    centres: Sequence[str] = CENTRES,
    population: Population = "plain",
    control: bool = False,
) -> SkeletonSpecimen:
    """The specimen of a seed: the same arguments always give the same mouse, as with `make_specimen`.

    `folder` holds the skeleton. Body and posture vary widely in both populations; `wide` also has any manner of
    pictures and slight findings. A control is never abnormal. Raises Rejected as `load_skeleton` does.
    """
    rng = np.random.default_rng((seed, 21))
    sex, strain, drawn_centre = (str(rng.choice(options)) for options in (("female", "male"), STRAINS, centres))
    is_abnormal = bool(rng.random() < prevalence.abnormal) if abnormal is None else abnormal
    if population == "wide":
        prevalence = replace(prevalence, severity=WIDE_SEVERITY)
    if kinds is None:
        kinds = draw_kinds(rng, possible(prevalence, folder)) if is_abnormal and not control else {}
    plan = _normal(folder, seed, sex)
    return SkeletonSpecimen(
        seed=seed,
        biological_sample_id=str(100_000 + seed),
        centre=centre or drawn_centre,
        sex=sex,
        strain=strain,
        findings=judged([apply(plan, kind, severity, seed) for kind, severity in kinds.items()], plan),
        population=population,
        folder=folder,
        control=control,
    )


def not_drawn(folder: Path) -> tuple[str, ...]:
    """Kinds of the catalogue that need a bone which the skeleton lacks; no skeleton's clavicles are read."""
    skeleton = load_skeleton(folder)
    found = {"clavicle": False, "fibula": "fibula" in skeleton.long_bones, "teeth": "upper incisors" in skeleton.skull}
    return tuple(kind for kind, drawn in found.items() if not drawn)


def possible(prevalence: Prevalence, folder: Path) -> Prevalence:
    """The same prevalence without the kinds that the skeleton's bones do not allow."""
    without = not_drawn(folder)
    weights = {kind: share for kind, share in prevalence.weights.items() if kind not in without}
    return replace(prevalence, weights=MappingProxyType(weights))


def _normal(folder: Path, seed: int, sex: str) -> BodyPlan:
    return skeleton_plan(load_skeleton(folder), np.random.default_rng((seed, 22)), sex)
