"""models.active: the model versions that serve."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.base import Event, Probability, ProducedAt, Sha256, Text

SERVING_SET: Final = "phenotype"
"""One record names the versions of all backbones, so that both switch together."""
SHADOW_SET: Final = "shadow"
"""The candidate set. It makes no calls. Its record has its own key and leaves the activation unchanged."""
KEPT_EARLIER: Final = 10
"""Maximum number of earlier sets in a record."""

Versions = Annotated[dict[Text, Annotated[int, Field(ge=1)]], Field(min_length=1)]
Pins = dict[Text, Sha256]


SetCardDigest = Annotated[
    Sha256 | None,
    Field(
        description="SHA-256 (hex) of the set card: how the versions decide together. Null for the consensus of their "
        "own cards."
    ),
]


class EarlierSet(BaseModel):
    """A set that served earlier. A rollback returns to it, and it serves if the newest set is lost."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    activation: int = Field(ge=1, description="Number of the activation under which the set served.")
    versions: Versions = Field(description="Version that served, by name of the model in Triton.")
    cards: Pins = Field(
        default_factory=dict, description="SHA-256 of the card of each version. The classifier accepts no other card."
    )
    set_card: SetCardDigest = None


class ModelActivation(Event):
    """The versions that make the calls from this record on, or, under the name `shadow`, that run next to them.

    `activation` rises by one with every promotion and every rollback. `cards` holds the digest of the card of each
    version, which lists graph, thresholds and golden inputs.
    """

    name: Text = Field(
        SERVING_SET,
        description="`phenotype` is the set that makes the calls, `shadow` the candidate that runs next to it.",
    )
    activation: int = Field(
        ge=1, description="Rises by one with every record of this name, that is with every promotion and rollback."
    )
    versions: Versions = Field(description="Version that serves, by name of the model in Triton.")
    cards: Pins = Field(
        default_factory=dict, description="SHA-256 of the card of each version. The classifier accepts no other card."
    )
    set_card: SetCardDigest = None
    earlier: tuple[EarlierSet, ...] = Field(
        default=(),
        max_length=KEPT_EARLIER,
        description="Sets that served earlier, newest first. A rollback returns to the first of them.",
    )
    why: Text = Field(description="Why this version serves now.")
    who: Text = Field("", description="Who made the decision.")
    evaluation_key: Text | None = Field(
        None, description="Key in object storage of the evaluation that the decision is based on."
    )
    share: Probability | None = Field(
        None, description="In shadow only: the share of specimens that the candidate receives, 0 after it was stopped."
    )
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """The name of the set."""
        return self.name

    def as_earlier(self) -> EarlierSet:
        """Return this set in the form in which a later record keeps it."""
        return EarlierSet(activation=self.activation, versions=self.versions, cards=self.cards, set_card=self.set_card)
