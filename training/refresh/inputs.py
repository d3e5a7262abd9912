"""The inputs of a refresh run. The run's name is their digest, so equal inputs are the same run."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.base import digest
from training.refresh.rules import GateRules

_LETTERS: Final = 16


class Inputs(BaseModel):
    """Everything that determines the outcome.

    `versions` and `cards` are those that served under `activation`, `size` is that of their networks, `plan` the digest
    of the training plans. The activation's number is not part of the name: the same versions after a rollback are the
    same starting point.
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
