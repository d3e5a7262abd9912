"""phenotype.calls: the call for one revision of a specimen, or the news that it has none any more.

phenotype.shadow: the output of candidate model versions for a specimen that the current versions have called.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.base import (
    AnnouncedAt,
    Binary,
    Centre,
    Event,
    PreprocessingGeneration,
    PreprocessingVersion,
    Probability,
    ProducedAt,
    Revision,
    Sha256,
    SpecimenId,
    TensorDigest,
    TensorKey,
    Text,
)
from services.common.events.model import Versions
from services.common.events.specimen import SpecimenViews
from services.common.labels import CALL_LABELS, LEVEL2, LEVEL3

Labels = Annotated[
    tuple[Text, ...],
    Field(description="The thirteen labels, in the order of `vector`: three of level 2, then ten of level 3."),
]
AbnormalElsewhere = Annotated[
    bool,
    Field(
        description="Whether the specimen is abnormal at level 1 but has none of the thirteen labels (limbs, skull)."
    ),
]
Uncertain = Annotated[
    tuple[Text, ...],
    Field(description="Labels (and `Abnormal`) whose consensus probability is close to its threshold."),
]


class ShadowCall(Event):
    """The call that the candidate in shadow would have made, next to the call that was made. It is not a call itself.

    `call_id`, `activation`, `revision` and `tensor_key` are those of the call. `vector` (in the order of `labels`),
    `abnormal`, `consensus`, `models` and `uncertain` are the candidate's. `differs` names the labels (and `Abnormal`)
    that the candidate decides differently, so the decision of the call can be derived from this event alone.
    """

    shadow_id: Sha256 = Field(description="Identity of this record: a digest of the call and of the candidate's cards.")
    call_id: Sha256 = Field(description="The call that this output is compared with.")
    biological_sample_id: SpecimenId
    centre: Centre
    revision: Revision
    preprocessing_version: PreprocessingVersion
    preprocessing_generation: PreprocessingGeneration
    activation: int = Field(ge=1, description="Number of the model activation that produced the call.")
    shadow: int = Field(ge=1, description="Number of the record on models.active that put the candidate in shadow.")
    versions: Versions = Field(description="The candidate: a version of each model.")
    labels: Labels = CALL_LABELS
    vector: tuple[Binary, ...] = Field(
        min_length=13,
        max_length=13,
        description="The call that the candidate would have made: 1 where it found the label, else 0.",
    )
    abnormal: bool = Field(description="Level 1 of the candidate.")
    abnormal_elsewhere: AbnormalElsewhere
    consensus: Probabilities = Field(description="The candidate's pooled probabilities.")
    models: tuple[ModelOutput, ...] = Field(min_length=1, description="The output of each model of the candidate.")
    uncertain: Uncertain = ()
    differs: tuple[Text, ...] = Field(
        (), description="Labels (and `Abnormal`) that the candidate decides differently from the call."
    )
    seconds: float = Field(
        ge=0, description="Time that Triton took to answer the request that contained this specimen, in seconds."
    )
    tensor_key: TensorKey
    tensor_sha256: TensorDigest
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """A shadow call is on the partition of its specimen, as the call is."""
        return self.biological_sample_id


class Probabilities(BaseModel):
    """Calibrated probabilities: level 1 is abnormal, levels 2 and 3 are in the order of LEVEL2 and LEVEL3."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    level1: Probability = Field(description="Calibrated probability that the specimen is abnormal.")
    level2: tuple[Probability, ...] = Field(
        min_length=len(LEVEL2),
        max_length=len(LEVEL2),
        description="Calibrated probabilities of Ribcage, Spine and Whole-body.",
    )
    level3: tuple[Probability, ...] = Field(
        min_length=len(LEVEL3),
        max_length=len(LEVEL3),
        description="Calibrated probabilities of the ten level-3 labels, in the order of `labels`.",
    )


class ModelOutput(BaseModel):
    """The output of one backbone, with the identity of the model version."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: Text = Field(description="Name of the model in Triton.")
    version: int = Field(ge=1, description="Version of the model in Triton.")
    calibration_digest: Text = Field(description="Digest of the model's calibration.")
    training_digest: Text = Field(description="Digest of the data that the model was trained on.")
    probabilities: Probabilities = Field(description="Calibrated probabilities of this model.")


WithdrawalReason = Literal["images_withdrawn", "too_many_views", "centres_conflict", "view_conflict"]


class CallWithdrawal(Event):
    """From this revision on, a specimen has no call. It supersedes every call of a lower rank, and has no vector.

    `images_withdrawn`: what is left lacks a DV or a LAT view. `too_many_views`: one side has more views than a specimen
    can have. `centres_conflict`: two centres announced pictures under this id. `view_conflict`: one picture stands as
    DV and as LAT. A specimen is called again once a view is added or withdrawn so that none of these holds.
    """

    call_id: Sha256 = Field(
        description="Identity of this record: a digest of specimen, generation, revision and reason. Duplicates share "
        "it. It ranks like the `call_id` of a call."
    )
    biological_sample_id: SpecimenId
    centre: Centre
    revision: int = Field(
        ge=1, description="Number of views and withdrawals that were stored for the specimen, ranked as that of a call."
    )
    preprocessing_version: PreprocessingVersion
    preprocessing_generation: PreprocessingGeneration
    activation: int = Field(0, ge=0, description="Always 0, because no model was asked.")
    status: Literal["withdrawn"] = Field("withdrawn", description="Always `withdrawn`. A call has no such field.")
    reason: WithdrawalReason = Field(description="Why the specimen has no call.")
    announced_at: AnnouncedAt
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """Every call of one animal is on one partition."""
        return self.biological_sample_id


class PhenotypeCall(Event):
    """The 1x13 phenotype call for one revision of a specimen, traceable to its images and models.

    `vector` holds 0 or 1 in the order of `labels`. It is all zeros for a normal specimen, and also for a specimen that
    is abnormal at level 1 but has none of the thirteen labels, which `abnormal_elsewhere` marks. The current call of a
    specimen is the one with the highest (`preprocessing_generation`, `revision`, `activation`, `call_id`).
    """

    call_id: Sha256 = Field(
        description="Identity of the call: a digest of specimen, revision, tensor, models and activation. Duplicates "
        "share it."
    )
    biological_sample_id: SpecimenId
    centre: Centre
    revision: Revision
    preprocessing_version: PreprocessingVersion
    preprocessing_generation: PreprocessingGeneration
    activation: int = Field(ge=1, description="Number of the model activation that produced the call.")
    labels: Labels = CALL_LABELS
    vector: tuple[Binary, ...] = Field(
        min_length=13, max_length=13, description="The call: 1 where the label at the same position was found, else 0."
    )
    abnormal: bool = Field(description="Level 1: whether the specimen is called abnormal.")
    abnormal_elsewhere: AbnormalElsewhere
    consensus: Probabilities = Field(
        description="The models' probabilities, pooled by weight (mean of their logits). The call is derived from them."
    )
    models: tuple[ModelOutput, ...] = Field(
        min_length=1, description="The output of each model, with the identity of its version."
    )
    uncertain: Uncertain = ()
    disagreement: tuple[Text, ...] = Field((), description="Labels (and `Abnormal`) on which the single models differ.")
    tensor_key: TensorKey
    tensor_sha256: TensorDigest
    views: SpecimenViews
    announced_at: AnnouncedAt
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """Every call of one animal is on one partition."""
        return self.biological_sample_id
