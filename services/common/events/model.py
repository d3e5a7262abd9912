"""models.active: which model versions serve."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from services.common.events.base import Event, Moment, Text

SERVING_SET: Final = "phenotype"
"""One record names the versions of all backbones at once, so that a switch of both is atomic."""


class ModelActivation(Event):
    """From this record on, these versions make the calls.

    `activation` counts up by one with every promotion and every rollback. `versions` maps a Triton model name to the
    version that serves.
    """

    name: Text = SERVING_SET
    activation: int = Field(ge=1)
    versions: dict[Text, Annotated[int, Field(ge=1)]] = Field(min_length=1)
    why: Text
    produced_at: Moment

    @property
    def key(self) -> str:
        """Compaction keeps the newest activation of each serving set."""
        return self.name
