"""Whether a trained candidate may replace the versions that serve: what a refresh decided, with all its figures.

It lies in object storage; the card of a version and the record on `models.active` name its key.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.common.errors import Rejected
from services.common.events.base import Moment
from services.common.store import ObjectStore

PREFIX: Final = "refresh"
Outcome = Literal["promote", "refuse"]


class Comparison(BaseModel):
    """One figure of both on the same specimens.

    `lowest` is the lower bound of `difference`, candidate less active (one-sided 95 %, paired bootstrap); the candidate
    counts as worse where it is not above minus `margin`.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    active: float
    candidate: float
    difference: float
    lowest: float
    margin: float

    @property
    def worse(self) -> bool:
        """Whether the candidate may be worse than the margin allows."""
        return self.lowest <= -self.margin

    def in_words(self) -> str:
        """Say it in a sentence's part."""
        return (
            f"{self.name}: {self.candidate:.3f} against {self.active:.3f}, {self.difference:+.3f}, "
            f"at least {self.lowest:+.3f} (allowed above {-self.margin:+.3f})"
        )


class Reason(BaseModel):
    """Why a candidate was refused: a stable code, and a sentence with the figures."""

    model_config = ConfigDict(frozen=True)

    reason: str
    words: str


class PromotionDecision(BaseModel):
    """What a run of the refresh decided about its candidate; written once.

    `candidate` are the versions that were exported, empty where it came to none. `activation`, `active` and `cards` say
    what served, `dataset_digest` and `evaluation_digest` what was learnt from and judged on (`specimens`, of whom
    `abnormal`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1] = 1
    run: str
    outcome: Outcome
    reasons: tuple[Reason, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    specimens: int = Field(default=0, ge=0)
    abnormal: int = Field(default=0, ge=0)
    candidate: dict[str, int] = Field(default_factory=dict)
    activation: int
    active: dict[str, int]
    cards: dict[str, str]
    dataset_digest: str
    evaluation_digest: str
    decided_at: Moment

    def in_words(self) -> str:
        """Say what was decided and why, in one sentence."""
        figures = "; ".join(one.in_words() for one in self.comparisons)
        if self.outcome == "promote":
            return f"promote: {figures}"
        return "refuse: " + "; ".join(f"{one.reason}, {one.words}" for one in self.reasons)


def decision_key(run: str) -> str:
    """Return the key of a run's decision."""
    return f"{PREFIX}/{run}/decision.json"


def read_decision(store: ObjectStore, key: str) -> PromotionDecision:
    """Read a decision; raises Rejected `object_missing`, `decision_unreadable`."""
    data = store.get(key)
    try:
        return PromotionDecision.model_validate_json(data)
    except ValidationError as error:
        raise Rejected("decision_unreadable", f"{key} holds no decision of a refresh: {error}") from error
