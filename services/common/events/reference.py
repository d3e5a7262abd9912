"""references.active: the reference of controls that scores are compared with."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.base import Event, ProducedAt, Sha256, Text

REFERENCES: Final = "references"
KEPT_EARLIER: Final = 10
"""Maximum number of earlier references in a record."""

Snapshot = Annotated[
    Sha256 | None,
    Field(
        description="SHA-256 (hex) of the reference, stored as references/<sha256>.json. Null for none: every centre "
        "is compared with training."
    ),
]


class EarlierReference(BaseModel):
    """A reference that was active earlier. A rollback returns to it, and it serves if the newest cannot be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    activation: int = Field(ge=0, description="Number of the record that activated it, 0 before the first record.")
    sha256: Snapshot = None


class ReferenceActivation(Event):
    """The reference that scores are compared with from this record on.

    `activation` rises by one with every record. A record follows from the one before it: it names it first among
    `earlier`, or returns to the first of `earlier`.
    """

    name: Text = Field(REFERENCES, description="Always `references`: one reference is active at a time.")
    activation: int = Field(ge=1, description="Rises by one with every record.")
    sha256: Snapshot = None
    earlier: tuple[EarlierReference, ...] = Field(
        default=(),
        max_length=KEPT_EARLIER,
        description="References that were active earlier, newest first. A rollback returns to the first of them.",
    )
    why: Text = Field(description="Why this reference is active now.")
    who: Text = Field("", description="Who made the decision.")
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """The name, which all records share, so that they stay in order."""
        return self.name

    def as_earlier(self) -> EarlierReference:
        """Return this reference in the form in which a later record keeps it."""
        return EarlierReference(activation=self.activation, sha256=self.sha256)
