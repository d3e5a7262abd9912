"""What a dataset is, in figures: the file `dataset.json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.base import Sha256


class LabelCount(BaseModel):
    """How many specimens of a dataset have a label, have it not, or of how many nobody knows."""

    model_config = ConfigDict(frozen=True)

    positives: int = Field(ge=0)
    negatives: int = Field(ge=0)
    missing: int = Field(ge=0)


class EvaluationCount(BaseModel):
    """The fixed evaluation set that a dataset is judged on.

    `generation` counts how often it has grown, `digest` is the SHA-256 of its specimens, `waiting` are labelled
    specimens of the test part that are not in it yet, `relabelled` those of its specimens whose labels are others now
    than when they joined.
    """

    model_config = ConfigDict(frozen=True)

    generation: int = Field(ge=1)
    digest: Sha256
    specimens: int = Field(ge=1)
    waiting: int = Field(ge=0)
    relabelled: int = Field(ge=0)


class Description(BaseModel):
    """`dataset.json`: what a dataset holds and what was left out of it.

    `digest` is the SHA-256 over every specimen's tensor, labels and part, the preprocessing version and the evaluation
    set. `specimens` counts by part, `centres` by centre, `labels` by name of `LABEL_ORDER`, `label_sources` the labels
    by where they come from, `left_out` specimens by reason.
    """

    model_config = ConfigDict(frozen=True)

    digest: Sha256
    preprocessing_version: str
    tensor_side: int = Field(ge=32)
    specimens: dict[str, int]
    centres: dict[str, int]
    labels: dict[str, LabelCount]
    label_sources: dict[str, int]
    evaluation: EvaluationCount
    left_out: dict[str, int]
    conflicts: dict[str, int]
