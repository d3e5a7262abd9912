"""A set card and controls as tests need them: two models with four features, and a centre far from training."""

from collections.abc import Iterator

import numpy as np

from services.common.decision.familiarity import KNOTS, FamiliarityCard
from services.common.decision.set_card import SetCard, SetMember
from services.ledger.queries import ControlOutput

MODELS = ("cae", "convnext")
FEATURES = 4
AWAY = 10.0
"""How far the features of the stranger are from training, whose standard deviation is 1."""
SHIFT = 7.0
"""How much higher the stranger's scores are than training's."""


def set_card(version: int = 2, features: int = FEATURES) -> SetCard:
    """A set whose normal specimens have scores around -2, and which calls from a pooled probability of one half."""
    ones, zeros = np.ones(14), np.zeros(14)
    members = tuple(
        SetMember(
            model=model,
            version=version,
            features=features,
            score_centre=-2 * ones,
            score_scale=ones,
            typical_distance=1.0,
            scale=ones,
            shift=zeros,
            weights=ones / 2,
        )
        for model in MODELS
    )
    return SetCard(
        members=members,
        scale=ones,
        shift=zeros,
        fitted_prevalence=0.05,
        stated_prevalence=0.05,
        thresholds=0.5 * ones,
        uncertain_half_width=0.05,
        familiarity=FamiliarityCard(
            training=np.linspace(0, 1, KNOTS), centre=np.linspace(0, 3, KNOTS), outlandish=100.0
        ),
        specimens=100,
    )


def controls(
    centre: str, count: int, *, sex: str | None = None, seed: int = 1, shift: float = 0
) -> list[ControlOutput]:
    """Controls of a centre whose images are far from training."""
    random = np.random.default_rng(seed)
    return [
        ControlOutput(
            f"{centre} {sex} {number}",
            centre,
            sex,
            None,
            model,
            tuple(random.normal(-2 + SHIFT + shift, 1, 14)),
            tuple(random.normal(AWAY, 1, FEATURES)),
        )
        for number in range(count)
        for model in MODELS
    ]


def shuffled(found: list[ControlOutput], seed: int) -> Iterator[ControlOutput]:
    """The same controls in another order."""
    order = np.random.default_rng(seed).permutation(len(found))
    return (found[index] for index in order)
