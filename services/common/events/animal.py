"""What a centre states about an animal, and what the images of one animal state together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.common.events.base import Text

SampleGroup = Literal["control", "experimental"]
Sex = Literal["male", "female"]


class Animal(BaseModel):
    """What one image's announcement states about its animal. An absent field is not stated."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sample_group: SampleGroup | None = Field(
        None, description="Whether the animal is a control (wild type) or carries the altered gene."
    )
    sex: Sex | None = Field(None, description="Sex of the animal.")
    strain_accession_id: (
        Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]*$")] | None
    ) = Field(None, description="Accession id of the background strain, for example MGI:2159965.")

    def facts(self) -> dict[str, JsonValue]:
        """Return the stated fields by name."""
        return self.model_dump(include=set(Animal.model_fields), exclude_none=True)


class AnimalFacts(Animal):
    """What all images of an animal state together.

    A field on which they disagree is absent, and `conflicts` names it.
    """

    conflicts: tuple[Text, ...] = Field(
        (), description="Fields on which the images of the animal disagree, by name. Such a field is absent."
    )


def combined(statements: Iterable[Animal]) -> AnimalFacts | None:
    """Return what these statements say together, None if they state nothing. Their order does not matter."""
    values: dict[str, set[JsonValue]] = {}
    for one in statements:
        for name, value in one.facts().items():
            values.setdefault(name, set()).add(value)
    if not values:
        return None
    agreed = {name: next(iter(found)) for name, found in values.items() if len(found) == 1}
    conflicts = sorted(name for name, found in values.items() if len(found) > 1)
    return AnimalFacts.model_validate(agreed | {"conflicts": conflicts})
