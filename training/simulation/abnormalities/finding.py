"""The result of an abnormality: the observations that it makes abnormal, and the altered bones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.simulation.anatomy.plan import SIDES, BodyPlan


@dataclass(frozen=True, slots=True)
class Finding:
    """One abnormality of one specimen.

    `kind` is a key of the catalogue, `severity` is in (0, 1], `parameter_ids` are the IMPReSS observations that a
    scorer would call abnormal, `parts` the names of the altered bones.
    """

    kind: str
    severity: float
    parameter_ids: tuple[str, ...]
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alteration:
    """Effect of one abnormality on a plan: numbers of the observations (as in IMPC_XRY_019_001) and altered bones."""

    observations: tuple[str, ...]
    parts: tuple[str, ...]


Alter = Callable[[BodyPlan, float, np.random.Generator], Alteration]


def parameter_id(number: str) -> str:
    """The stable id of an observation number: 019 is IMPC_XRY_019_001."""
    return f"IMPC_XRY_{number}_001"


def random_sides(rng: np.random.Generator) -> tuple[str, ...]:
    """Draw which sides an abnormality affects: both, the left or the right one, each as often."""
    return (SIDES, ("L",), ("R",))[int(rng.integers(0, 3))]
