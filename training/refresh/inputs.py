"""The inputs of a refresh run, with the rules of the gate. The run's name is their digest, so equal inputs are one run.

Imports neither torch nor scikit-learn, so that the command can show the default rules quickly.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.base import digest


class GateRules(BaseModel):
    """What a candidate must prove on the evaluation set.

    No level's mean AUC may be worse by `auc_margin` or more, and level 1's sensitivity not by `sensitivity_margin`;
    both are judged by the lower bound of the paired difference. The gate needs at least `least_specimens` with a known
    level 1, of which `least_abnormal` are abnormal and as many normal. With `trust_labels`, labels pass that contradict
    the models that serve.
    """

    model_config = ConfigDict(frozen=True)

    auc_margin: float = Field(default=0.01, ge=0, le=0.5)
    sensitivity_margin: float = Field(default=0.03, ge=0, le=0.5)
    least_specimens: int = Field(default=100, ge=2)
    least_abnormal: int = Field(default=20, ge=1)
    trust_labels: bool = False


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
