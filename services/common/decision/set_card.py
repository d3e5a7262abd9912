"""The parameters of one set of model versions that call together, and how the set decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.common.decision.arrays import Numbers, Vector
from services.common.decision.calibration import shift_prevalence, sigmoid
from services.common.decision.familiarity import AbstentionReason, FamiliarityCard, judge
from services.common.decision.reference import ReferenceStatistics, recentre
from services.common.hierarchy import limited
from services.common.labels import LABEL_ORDER, parents_of

Mask = NDArray[np.bool_]
LABELS: Final = len(LABEL_ORDER)
IMPC_PREVALENCE: Final = 0.0305
"""Share of abnormal specimens in the public record: 1,651 of 54,046 (paper, section 3)."""

Share = Annotated[float, Field(gt=0, lt=1)]


class MemberOutputs(NamedTuple):
    """One member's outputs for n specimens: `scores` [n, 14], `features` [n, F], `unfamiliar` [n] in 0..1."""

    scores: Numbers
    features: Numbers
    unfamiliar: Numbers


class SetMember(BaseModel):
    """One model version of a set.

    `score_centre` and `score_scale` [14] are those of training's normal specimens. `scale` and `shift` [14] calibrate
    its recentred scores, `weights` [14] are its shares of the pooled logits. `features` is their number.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")

    model: str
    version: int = Field(ge=1)
    features: int = Field(ge=1)
    score_centre: Vector
    score_scale: Vector
    typical_distance: float = Field(gt=0)
    scale: Vector
    shift: Vector
    weights: Vector

    @property
    def training(self) -> ReferenceStatistics:
        """Training's normal specimens as a reference: the last prior, and what a centre without controls gets."""
        return ReferenceStatistics(
            n=0,
            score_centre=self.score_centre,
            score_scale=self.score_scale,
            feature_mean=np.zeros(self.features),
            feature_covariance=np.eye(self.features),
            typical_distance=self.typical_distance,
        )


class SetCard(BaseModel):
    """How a set of versions decides together; fitted on validation specimens (`services.common.decision.fit`).

    `scale` and `shift` [14] calibrate the pooled logits, at the `fitted_prevalence` of abnormal specimens. Decisions
    are for `stated_prevalence`. `thresholds` [14] apply to the pooled probabilities at that prevalence.
    `specimens` is the number of validation specimens.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")

    members: Annotated[tuple[SetMember, ...], Field(min_length=1)]
    scale: Vector
    shift: Vector
    fitted_prevalence: Share
    stated_prevalence: Share
    thresholds: Vector
    uncertain_half_width: float = Field(ge=0, le=0.5)
    familiarity: FamiliarityCard
    specimens: int = Field(ge=1)

    @model_validator(mode="after")
    def _has_every_label(self) -> SetCard:
        vectors = [self.scale, self.shift, self.thresholds]
        for one in self.members:
            vectors += [one.score_centre, one.score_scale, one.scale, one.shift, one.weights]
        if any(len(vector) != LABELS for vector in vectors) or any((one.weights < 0).any() for one in self.members):
            msg = f"each vector needs {LABELS} numbers, and weights must not be negative"
            raise ValueError(msg)
        return self

    def digest(self) -> str:
        """Return the SHA-256 (hex) of its JSON, which is part of a call's identity."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


@dataclass(frozen=True)
class SetDecision:
    """The decision for n specimens, in the order of `LABEL_ORDER`.

    `given_abnormal` [n, 14] are the pooled probabilities, of levels 2 and 3 given abnormal; `served` [n, 14] are those
    that agree down the hierarchy. `positive` and `uncertain` [n, 14] are the labels called, and those close to their
    threshold. `unfamiliarity` [n] is in 0..1. `reasons` [n] is None for a specimen that is called.
    """

    given_abnormal: Numbers
    served: Numbers
    positive: Mask
    uncertain: Mask
    unfamiliarity: Numbers
    reasons: tuple[AbstentionReason | None, ...]


def decide_set(
    card: SetCard,
    outputs: Sequence[MemberOutputs],
    references: Sequence[ReferenceStatistics] | None = None,
    prevalence: float | None = None,
) -> SetDecision:
    """Decide on specimens of one centre, from the outputs of the card's members in its order.

    `references` are the centre's, one for each member; without them training's are used. `prevalence` replaces the
    card's stated one. The result for one specimen does not depend on the others.
    """
    known = references or [member.training for member in card.members]
    given = sigmoid(pooled_logits(card, [one.scores for one in outputs], known, prevalence))
    served = coherent(given)
    familiarity = judge(card.familiarity, [one.features for one in outputs], [one.unfamiliar for one in outputs], known)
    return SetDecision(
        given_abnormal=given,
        served=served,
        positive=called(served, card.thresholds),
        uncertain=np.abs(served - card.thresholds) < card.uncertain_half_width,
        unfamiliarity=familiarity.unfamiliarity,
        reasons=familiarity.reasons,
    )


def pooled_logits(
    card: SetCard,
    scores: Sequence[Numbers],
    references: Sequence[ReferenceStatistics],
    prevalence: float | None = None,
) -> Numbers:
    """Return the calibrated logits [n, 14] of the set, of levels 2 and 3 given abnormal, from scores [n, 14] each."""
    each = [
        member.weights * (member.scale * recentre(own, reference, member.training) + member.shift)
        for member, own, reference in zip(card.members, scores, references, strict=True)
    ]
    pooled: Numbers = card.scale * np.sum(each, axis=0) + card.shift
    pooled[:, 0] = shift_prevalence(pooled[:, 0], card.fitted_prevalence, prevalence or card.stated_prevalence)
    return pooled


def coherent(given: Numbers) -> Numbers:
    """Turn probabilities [n, 14], of levels 2 and 3 given abnormal, into ones that agree down the hierarchy."""
    return limited(given * np.column_stack([np.ones(len(given)), np.repeat(given[:, :1], LABELS - 1, axis=1)]))


def called(served: Numbers, thresholds: Numbers) -> Mask:
    """Return the labels [n, 14] at or above their threshold, each only together with one of its parents."""
    positive: Mask = served >= thresholds
    for label in LABEL_ORDER[1:]:
        parents = [LABEL_ORDER.index(parent) for parent in parents_of(label)]
        positive[:, LABEL_ORDER.index(label)] &= positive[:, parents].any(axis=1)
    return positive
