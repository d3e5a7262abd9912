"""What travels with one version of a Triton model: the classifier refuses a version whose card does not fit."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.common.labels import LABEL_ORDER

Probability = Annotated[float, Field(ge=0, le=1)]


class ModelCard(BaseModel):
    """Carried as JSON in `config.pbtxt`, parameter `card.<version>` (config.pbtxt is one file for all versions).

    `thresholds` and `labels` have 14 entries in the order of `LABEL_ORDER`. A probability within
    `uncertain_half_width` of its threshold makes a call uncertain for that label. `consensus_weight` is how much it
    says in the consensus, relative to the other models. `training_digest` and `data` say what it was trained on,
    `code_commit` by which code ("+" behind it: with changes that were not committed), `metrics` how good it is on
    unseen specimens, `limits` what it must not be used for, `weights_sha256` the weights that training goes on from,
    `evaluation_key` the decision of the refresh that made it; older versions leave them empty.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    version: int = Field(ge=1)
    architecture: str
    preprocessing_version: str
    tensor_side: int
    labels: tuple[str, ...]
    thresholds: tuple[Probability, ...]
    uncertain_half_width: float = Field(ge=0, le=0.5)
    consensus_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    calibration_digest: str
    training_digest: str
    onnx_sha256: str
    description: str
    code_commit: str = ""
    data: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)
    limits: tuple[str, ...] = ()
    golden_sha256: str = ""
    weights_sha256: str = ""
    evaluation_key: str = ""

    @model_validator(mode="after")
    def _labels_in_order(self) -> ModelCard:
        if self.labels != LABEL_ORDER:
            msg = f"labels must be {LABEL_ORDER} in this order, got {self.labels}"
            raise ValueError(msg)
        if len(self.thresholds) != len(LABEL_ORDER):
            msg = f"thresholds must have {len(LABEL_ORDER)} entries, got {len(self.thresholds)}"
            raise ValueError(msg)
        return self


def card_parameter(version: int) -> str:
    """Name of the `config.pbtxt` parameter that holds the card of `version`."""
    return f"card.{version}"


def card_pin(text: str) -> str:
    """SHA-256 of a card as it stands in a configuration: what an activation pins."""
    return hashlib.sha256(text.encode()).hexdigest()
