"""Everything the rest of the code knows about one backbone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from services.common.errors import Fatal
from training.models.output import Backbone
from training.models.plan import BackbonePlan

Size = TypeVar("Size")

EVIDENCE_NOTE: Final = ", evidence of altered bones joined"
"""Ends the description of a backbone with bone heads."""


@dataclass(frozen=True)
class BackboneSpec(Generic[Size]):
    """A backbone: how to build, train, describe and examine it.

    `name` is also that of its model in Triton. `sizes` holds its dimensions by size (`small`, `full`, ...), `plans` its
    training plan by configuration (`training.train.configuration`). `describe` writes the card's architecture line.
    `bone_heads` returns how many bone heads a network of a size has; their evidence is at the end of its features, in
    the order of the heads. `card_note` is added to the card's description.
    """

    name: str
    sizes: dict[str, Size]
    plans: dict[str, BackbonePlan]
    build: Callable[[Size], Backbone]
    describe: Callable[[Size], str]
    bone_heads: Callable[[Size], int]
    card_note: str = ""

    def size(self, name: str) -> Size:
        """Return the dimensions of a size; raises Fatal for an unknown one."""
        if name not in self.sizes:
            msg = f"backbone {self.name} has no size {name!r}; known are {', '.join(self.sizes)}"
            raise Fatal(msg)
        return self.sizes[name]

    def plan(self, configuration: str) -> BackbonePlan:
        """Return the training plan for a configuration, by its name; raises Fatal if there is none."""
        if configuration not in self.plans:
            msg = f"backbone {self.name} has no training plan {configuration!r}; known are {', '.join(self.plans)}"
            raise Fatal(msg)
        return self.plans[configuration]
