"""What a run of the refresh is made from. Its name is the digest of that, so that equal inputs are one run."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.base import digest
from services.registry.decision import PREFIX
from training.refresh.gate import GateRules

_LETTERS: Final = 16


class Inputs(BaseModel):
    """Everything that decides the outcome.

    `versions` and `cards` are what served under `activation`, `size` is that of their networks, `plan` the schedule's
    digest. The activation's number is no part of the name: the same versions after a rollback are the same start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset_digest: str
    evaluation_digest: str
    activation: int
    versions: dict[str, int] = Field(min_length=1)
    cards: dict[str, str]
    size: str
    plan: str
    rules: GateRules
    seed: int

    @property
    def run(self) -> str:
        """Name of the run, in folders and in object storage."""
        return digest(self.model_dump(mode="json", exclude={"activation"}))[:_LETTERS]

    @property
    def prefix(self) -> str:
        """Prefix of the run's objects."""
        return f"{PREFIX}/{self.run}/"
