"""phenotype.reviews: what a curator says of a specimen, label by label."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import Field, JsonValue, model_validator

from services.common.events.base import Event, Moment, Person, Sha256, SpecimenId, Text, digest
from services.common.labels import LABEL_ORDER, contradiction

Verdict = Literal["abnormal", "normal", "unknown"]
"""`unknown` withdraws what was said of a label before: nobody can say."""
_LONGEST_NOTE: Final = 2000


class Review(Event):
    """A curator's verdict on a specimen, for one or more of the labels `Abnormal` and the thirteen of a call.

    The newest verdict on a label counts. Within one review the hierarchy must hold: nothing is abnormal in a normal
    animal, and no label while all that it could belong to is normal. `call_id` is the call that was looked at.
    """

    biological_sample_id: SpecimenId
    call_id: Sha256 | None = None
    verdicts: dict[Text, Verdict] = Field(min_length=1, max_length=len(LABEL_ORDER))
    who: Person
    note: Annotated[Text, Field(max_length=_LONGEST_NOTE)] = ""
    reviewed_at: Moment

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
        """Every event of one animal lands on one partition."""
        return self.biological_sample_id

    def labels(self, verdict: Verdict) -> tuple[str, ...]:
        """Labels of this verdict, in the order of `LABEL_ORDER`."""
        return tuple(label for label in LABEL_ORDER if self.verdicts.get(label) == verdict)

    @cached_property
    def review_id(self) -> str:
        """Derived from who said what when, so that sending a review twice is one review."""
        said: list[JsonValue] = [[label, self.verdicts[label]] for label in LABEL_ORDER if label in self.verdicts]
        at = self.reviewed_at.timestamp()
        return digest("review", self.biological_sample_id, self.who, said, self.note, at)
