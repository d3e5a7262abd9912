"""models.active: which model versions serve."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.base import Event, Moment, Probability, Sha256, Text

SERVING_SET: Final = "phenotype"
"""One record names the versions of all backbones at once, so that a switch of both is atomic."""
SHADOW_SET: Final = "shadow"
"""The candidate set beside it: it makes no call, so its record is another key and leaves the activation as it is."""
KEPT_EARLIER: Final = 10
"""At most so many earlier sets travel with a record: compaction drops their own records."""

Versions = Annotated[dict[Text, Annotated[int, Field(ge=1)]], Field(min_length=1)]
Pins = dict[Text, Sha256]


class EarlierSet(BaseModel):
    """A set that served before: what a rollback returns to, and what serves if the newest set is lost."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    activation: int = Field(ge=1)
    versions: Versions
    cards: Pins = Field(default_factory=dict)


class ModelActivation(Event):
    """From this record on, these versions make the calls; under the name `shadow`, they are asked beside those that do.

    `activation` counts up by one with every promotion and every rollback. `versions` maps a Triton model name to the
    version that serves, `cards` to the digest of that version's card, which names graph, thresholds and golden inputs.
    `share` is set in shadow only: the share of specimens that the candidate is asked about, 0 once it was stopped.
    """

    name: Text = SERVING_SET
    activation: int = Field(ge=1)
    versions: Versions
    cards: Pins = Field(default_factory=dict)
    earlier: tuple[EarlierSet, ...] = Field(default=(), max_length=KEPT_EARLIER)
    why: Text
    who: Text = ""
    evaluation_key: Text | None = None
    share: Probability | None = None
    produced_at: Moment

    @property
    def key(self) -> str:
        """Compaction keeps the newest activation of each serving set."""
        return self.name

    def as_earlier(self) -> EarlierSet:
        """Return this set as a later record keeps it."""
        return EarlierSet(activation=self.activation, versions=self.versions, cards=self.cards)
