"""phenotype.reviews: the verdict of a curator on the labels of a specimen."""

from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import Field, JsonValue, model_validator

from services.common.events.base import Event, Moment, Person, Sha256, SpecimenId, Text, digest
from services.common.labels import LABEL_ORDER, contradiction

Verdict = Literal["abnormal", "normal", "unknown"]
"""`unknown` withdraws an earlier verdict on a label."""
_LONGEST_NOTE: Final = 2000


class Review(Event):
    """A curator's verdict on a specimen, for one or more of `Abnormal` and the thirteen labels of a call.

    The newest verdict on a label is authoritative. One review must agree with the label hierarchy: no label is abnormal
    in a normal animal, and no label is abnormal when all the labels above it are normal.
    """

    biological_sample_id: SpecimenId
    call_id: Sha256 | None = Field(
        None, description="Identity of the call that the curator looked at, null if there was none."
    )
    verdicts: dict[Text, Verdict] = Field(
        min_length=1,
        max_length=len(LABEL_ORDER),
        description="`abnormal`, `normal` or `unknown` (withdrawn) for `Abnormal` or any of the thirteen labels.",
    )
    who: Person = Field(description="The curator.")
    note: Annotated[Text, Field(max_length=_LONGEST_NOTE)] = Field("", description="Free text by the curator.")
    reviewed_at: Moment = Field(description="When the curator decided.")

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        unknown = sorted(set(self.verdicts) - set(LABEL_ORDER))
        if unknown:
            msg = f"{unknown[0]!r} is not a label; labels are {', '.join(LABEL_ORDER)}"
            raise ValueError(msg)
        fault = contradiction(self.labels("abnormal"), self.labels("normal"))
        if fault:
            raise ValueError(fault)
        return self

    @property
    def key(self) -> str:
        """Every event of one animal is on one partition."""
        return self.biological_sample_id

    def labels(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the labels with this verdict, in the order of `LABEL_ORDER`."""
        return tuple(label for label in LABEL_ORDER if self.verdicts.get(label) == verdict)

    @cached_property
    def review_id(self) -> str:
        """Derived from the content, so that a review sent twice has the same identity."""
        verdict_pairs: list[JsonValue] = [
            [label, self.verdicts[label]] for label in LABEL_ORDER if label in self.verdicts
        ]
        at = self.reviewed_at.timestamp()
        return digest("review", self.biological_sample_id, self.who, verdict_pairs, self.note, at)
