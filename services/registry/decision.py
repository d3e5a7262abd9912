"""Whether a trained candidate may replace the versions that serve: the decision of a refresh, with all its figures.

It is stored in object storage; the card of a version and the record on `models.active` name its key.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.common.errors import Rejected
from services.common.events.base import Moment
from services.common.store import ObjectStore

PREFIX: Final = "refresh"
Outcome = Literal["promote", "refuse"]


class Comparison(BaseModel):
    """One figure of candidate and active versions on the same specimens.

    `lowest` is the lower bound of `difference`, candidate minus active (one-sided 95 %, paired bootstrap); the
    candidate counts as worse if `lowest` is not above minus `margin`.
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

    def summary(self) -> str:
        """Return a clause for a sentence."""
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
    """The decision of a refresh about its candidate; written once.

    `candidate` are the exported versions, empty if none was exported. `activation`, `active` and `cards` describe what
    served, `dataset_digest` the training data, `evaluation_digest` the evaluation set of `specimens` specimens, of
    which `abnormal` are abnormal.
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

    def summary(self) -> str:
        """Return the decision and its reasons in one sentence."""
        figures = "; ".join(one.summary() for one in self.comparisons)
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
        raise Rejected("decision_unreadable", f"{key} is not a decision of a refresh: {error}") from error
