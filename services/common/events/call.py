"""phenotype.calls: the call for one revision of a specimen, or the news that it was not called or has none any more.

phenotype.shadow: the output of candidate model versions for a specimen that the current versions have called.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

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
from services.common.events.model import SetCardDigest, Versions
from services.common.events.specimen import Facts, SpecimenViews
from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL2, LEVEL3

MOST_FEATURES: Final = 64
"""Features of a model that a call carries."""

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
    activation: int = Field(ge=1, description="That of the call.")
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
    reasons: tuple[Text, ...] = Field(
        (), description="Why the candidate would abstain, as codes. `vector` is then what it would have called."
    )
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

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    model: Text = Field(description="Name of the model in Triton.")
    version: int = Field(ge=1, description="Version of the model in Triton.")
    calibration_digest: Text = Field(description="Digest of the model's calibration.")
    training_digest: Text = Field(description="Digest of the data that the model was trained on.")
    probabilities: Probabilities = Field(description="Calibrated probabilities of this model.")
    scores: tuple[float, ...] | None = Field(
        None,
        min_length=len(LABEL_ORDER),
        max_length=len(LABEL_ORDER),
        description="Uncalibrated logits: level 1, then those of levels 2 and 3 given abnormal. Null for a version "
        "that does not give them.",
    )
    features: tuple[float, ...] | None = Field(
        None,
        max_length=MOST_FEATURES,
        description="Features whitened by training's normal specimens, so that their squared norm is the squared "
        "Mahalanobis distance to these. Null for a version that does not give them.",
    )
    unfamiliar: Probability | None = Field(
        None,
        description="Share of the validation specimens that are more like training's than this one. Null for a version "
        "that does not give it.",
    )


class CallReference(BaseModel):
    """The reference of controls that was active when a specimen was called."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    activation: int = Field(ge=1, description="Number of the record on references.active.")
    sha256: Sha256 | None = Field(
        None, description="SHA-256 (hex) of the reference's object. Null if none was active any more."
    )
    group: Text | None = Field(
        None,
        description="Controls that the scores were compared with: the centre, and where enough sex and strain. Null if "
        "those of training were used, because the centre has no controls or the reference is for other versions.",
    )
    controls: int = Field(0, ge=0, description="Number of these controls.")


Reference = Annotated[
    CallReference | None,
    Field(description="The reference of controls that was active, null if there was none yet."),
]


Models = Annotated[
    tuple[ModelOutput, ...],
    Field(min_length=1, description="The output of each model, with the identity of its version."),
]
Activation = Annotated[
    int,
    Field(
        ge=1,
        description="Number of the model activation that produced the call, plus that of the reference if one was "
        "active. Each later record of either is higher.",
    ),
]
Unfamiliarity = Annotated[
    Probability | None,
    Field(
        description="Share of the validation specimens that are nearer to what the models, or the centre's controls, "
        "show. A specimen beyond 0.99 is not called. Null if no model version measures it."
    ),
]
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


class CallAbstention(Event):
    """One revision of a specimen was not called: what its images show is not what the models know.

    It ranks like a call, and supersedes calls of a lower rank. It has no vector, and says neither normal nor abnormal.
    `consensus` and `models` are kept for those who want to see what the models would have said.
    """

    call_id: Sha256 = Field(description="Identity of this record, made and ranked like the `call_id` of a call.")
    biological_sample_id: SpecimenId
    centre: Centre
    revision: Revision
    preprocessing_version: PreprocessingVersion
    preprocessing_generation: PreprocessingGeneration
    activation: Activation
    status: Literal["abstained"] = Field("abstained", description="Always `abstained`. A call has no such field.")
    reasons: tuple[Text, ...] = Field(
        min_length=1,
        description="Why there is no call, as codes: `unfamiliar`, `no_reference` (unfamiliar, and the centre has too "
        "few controls to judge by them), `window_invalid`, or a flag of a view: `view_uncertain`, "
        "`orientation_uncertain`, `mirrored_suspected`.",
    )
    unfamiliarity: Unfamiliarity = None
    consensus: Probabilities = Field(description="The models' pooled probabilities. No call is derived from them.")
    models: Models
    set_card: SetCardDigest = None
    reference: Reference = None
    tensor_key: TensorKey
    tensor_sha256: TensorDigest
    views: SpecimenViews
    animal: Facts = None
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
        description="Identity of the call: a digest of specimen, revision, tensor, models, activation and reference. "
        "Duplicates share it."
    )
    biological_sample_id: SpecimenId
    centre: Centre
    revision: Revision
    preprocessing_version: PreprocessingVersion
    preprocessing_generation: PreprocessingGeneration
    activation: Activation
    labels: Labels = CALL_LABELS
    vector: tuple[Binary, ...] = Field(
        min_length=13, max_length=13, description="The call: 1 where the label at the same position was found, else 0."
    )
    abnormal: bool = Field(description="Level 1: whether the specimen is called abnormal.")
    abnormal_elsewhere: AbnormalElsewhere
    consensus: Probabilities = Field(
        description="The models' probabilities, pooled by weight (mean of their logits). The call is derived from them."
    )
    models: Models
    set_card: SetCardDigest = None
    reference: Reference = None
    unfamiliarity: Unfamiliarity = None
    uncertain: Uncertain = ()
    disagreement: tuple[Text, ...] = Field((), description="Labels (and `Abnormal`) on which the single models differ.")
    tensor_key: TensorKey
    tensor_sha256: TensorDigest
    views: SpecimenViews
    animal: Facts = None
    announced_at: AnnouncedAt
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """Every call of one animal is on one partition."""
        return self.biological_sample_id
