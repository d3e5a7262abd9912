"""The card of one version of a Triton model: the classifier refuses a version whose card does not fit."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.common.labels import LABEL_ORDER

Probability = Annotated[float, Field(ge=0, le=1)]


class ModelCard(BaseModel):
    """Carried as JSON in `config.pbtxt`, parameter `card.<version>` (config.pbtxt is one file for all versions).

    `thresholds` and `labels` have 14 entries in the order of `LABEL_ORDER`. A probability within
    `uncertain_half_width` of its threshold makes a call uncertain for that label. `consensus_weight` is its weight in
    the consensus, relative to the other models. `training_digest` and `data` identify the training data, `code_commit`
    the code (a trailing "+" means uncommitted changes), `weights_sha256` the weights from which training continues, and
    `evaluation_key` the decision of the refresh that produced it. `metrics` are measured on unseen specimens, `limits`
    are the uses to avoid. `outputs` are the graph's outputs besides the probabilities, each with its width, and
    `validation_sha256` is the digest of its outputs for validation specimens. Older versions leave these fields empty.
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
    validation_sha256: str = ""
    outputs: dict[str, int] = Field(default_factory=dict)
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
    """Return the name of the `config.pbtxt` parameter that holds the card of `version`."""
    return f"card.{version}"


def card_pin(text: str) -> str:
    """Return the SHA-256 (hex) of a card's text in a configuration: an activation pins this value."""
    return hashlib.sha256(text.encode()).hexdigest()
