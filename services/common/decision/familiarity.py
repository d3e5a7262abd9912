"""How unfamiliar a specimen is: the share of validation specimens that were nearer to what is known.

Two questions are asked. Against training: every model's graph combines the distance of its features from training's
normal specimens, its reconstruction error and the validity of its window, as output `unfamiliar`. Against the centre:
the distance of the features from those of the centre's own controls, which a centre with another holder or another
strain passes although all its specimens are far from training. A limit on the distance from training remains even then:
controls of pure noise would make noise familiar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from services.common.decision.arrays import Numbers, Vector
from services.common.decision.reference import ReferenceStatistics, relative_distances

REACHED: Final = 0.99
"""A specimen is unfamiliar beyond what this share of validation specimens reach."""
KNOTS: Final = 201
"""Quantiles that describe a distribution."""
OUTLANDISH: Final = 2.0
"""Specimens this many times as far from training as any validation specimen are unfamiliar to every centre."""

AbstentionReason = Literal["unfamiliar", "no_reference"]


class FamiliarityCard(BaseModel):
    """Distributions among validation specimens, each as rising quantiles: of the largest value of any member.

    `training` is that of the output `unfamiliar`, `centre` that of the distance relative to controls of the same
    centre. `outlandish` is the distance from training's normal specimens beyond which no controls help.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")

    training: Vector
    centre: Vector
    outlandish: float = Field(gt=0)
    reached: float = Field(REACHED, gt=0, lt=1)


def quantiles(values: Numbers) -> Numbers:
    """Return the distribution of values [n] as `KNOTS` rising quantiles."""
    result: Numbers = np.quantile(values, np.linspace(0, 1, KNOTS))
    return result


def share_below(values: Numbers, knots: Numbers) -> Numbers:
    """Return the share, in 0..1, of the distribution `knots` that is below each of values [n].

    A value that several knots share counts as above half of them.
    """
    shares = np.linspace(0, 1, len(knots))
    lowest = np.searchsorted(knots, values, side="left")
    highest = np.searchsorted(knots, values, side="right")
    between = np.interp(values, knots, shares)
    tied = (shares[np.minimum(lowest, len(knots) - 1)] + shares[np.maximum(highest - 1, 0)]) / 2
    result: Numbers = np.where(highest > lowest + 1, tied, between)
    return result


def distance_from_training(features: Sequence[Numbers]) -> Numbers:
    """Return the largest distance [n] from training of the members' features, each [n, F], per root of a feature."""
    result: Numbers = np.max([np.sqrt((one**2).mean(axis=1)) for one in features], axis=0)
    return result


def distance_from_controls(features: Sequence[Numbers], references: Sequence[ReferenceStatistics]) -> Numbers:
    """Return the largest relative distance [n] of the members' features, each [n, F], from the centre's controls."""
    pairs = zip(features, references, strict=True)
    result: Numbers = np.max([relative_distances(one, reference) for one, reference in pairs], axis=0)
    return result


@dataclass(frozen=True)
class Familiarity:
    """How unfamiliar specimens [n] are, in 0..1, and why each must be abstained from (None if it may be called)."""

    unfamiliarity: Numbers
    reasons: tuple[AbstentionReason | None, ...]


def judge(
    card: FamiliarityCard,
    features: Sequence[Numbers],
    unfamiliar: Sequence[Numbers],
    references: Sequence[ReferenceStatistics],
) -> Familiarity:
    """Judge specimens of one centre from each member's features [n, F], output `unfamiliar` [n] and reference.

    With enough controls the centre's reference decides, else training does. An unfamiliar specimen of a centre without
    enough controls has the reason `no_reference`: with them it may be familiar.
    """
    outlandish = distance_from_training(features) > card.outlandish
    sufficient = all(reference.sufficient for reference in references)
    if sufficient:
        shares = share_below(distance_from_controls(features, references), card.centre)
    else:
        shares = share_below(np.max(unfamiliar, axis=0), card.training)
    shares = np.where(outlandish, 1.0, shares)
    curable: AbstentionReason = "unfamiliar" if sufficient else "no_reference"
    return Familiarity(
        unfamiliarity=shares,
        reasons=tuple(
            None if share <= card.reached else "unfamiliar" if far else curable
            for share, far in zip(shares.tolist(), outlandish.tolist(), strict=True)
        ),
    )
