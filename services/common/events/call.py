"""phenotype.calls: what the models say of one revision of a specimen.

phenotype.shadow: what candidate versions say of a specimen that others called.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.base import Binary, Centre, Event, Moment, Probability, Sha256, SpecimenId, Text
from services.common.events.model import Versions
from services.common.events.specimen import SpecimenView
from services.common.labels import CALL_LABELS, LEVEL2, LEVEL3


class ShadowCall(Event):
    """What the candidate in shadow would have called, beside the call that was made; it is no call.

    `call_id`, `activation`, `revision` and `tensor_key` are those of the call. `vector` (in the order of `labels`),
    `abnormal`, `consensus`, `models` and `uncertain` are the candidate's. `differs` names the labels (and Abnormal)
    that the candidate decides otherwise, so the call's own decision can be told from this event alone. `seconds` is how
    long Triton took to answer.
    """

    shadow_id: Sha256
    call_id: Sha256
    biological_sample_id: SpecimenId
    centre: Centre
    revision: int = Field(ge=2)
    preprocessing_version: Text
    preprocessing_generation: int = Field(ge=1)
    activation: int = Field(ge=1)
    shadow: int = Field(ge=1)
    versions: Versions
    labels: tuple[Text, ...] = CALL_LABELS
    vector: tuple[Binary, ...] = Field(min_length=13, max_length=13)
    abnormal: bool
    abnormal_elsewhere: bool
    consensus: Probabilities
    models: tuple[ModelOutput, ...] = Field(min_length=1)
    uncertain: tuple[Text, ...] = ()
    differs: tuple[Text, ...] = ()
    seconds: float = Field(ge=0)
    tensor_key: Text
    tensor_sha256: Sha256
    produced_at: Moment

    @property
    def key(self) -> str:
        """On the partition of its specimen, like the call."""
        return self.biological_sample_id


class Probabilities(BaseModel):
    """Calibrated probabilities: level 1 abnormal; level 2 and 3 in the order of LEVEL2 and LEVEL3."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    level1: Probability
    level2: tuple[Probability, ...] = Field(min_length=len(LEVEL2), max_length=len(LEVEL2))
    level3: tuple[Probability, ...] = Field(min_length=len(LEVEL3), max_length=len(LEVEL3))


class ModelOutput(BaseModel):
    """What one backbone said, and which one it was."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: Text
    version: int = Field(ge=1)
    calibration_digest: Text
    training_digest: Text
    probabilities: Probabilities


class PhenotypeCall(Event):
    """The 1x13 phenotype call of one revision of a specimen, traceable to its images and models.

    `vector` holds 0 or 1 in the order of `labels`. A normal specimen is all zeros; `abnormal_elsewhere` marks one that
    is abnormal at level 1 with thirteen zeros. `uncertain` names labels whose consensus probability lies close to its
    threshold, `disagreement` those on which the backbones differ. The current call of a specimen is the one with the
    highest (`preprocessing_generation`, `revision`, `activation`).
    """

    call_id: Sha256
    biological_sample_id: SpecimenId
    centre: Centre
    revision: int = Field(ge=2)
    preprocessing_version: Text
    preprocessing_generation: int = Field(ge=1)
    activation: int = Field(ge=1)
    labels: tuple[Text, ...] = CALL_LABELS
    vector: tuple[Binary, ...] = Field(min_length=13, max_length=13)
    abnormal: bool
    abnormal_elsewhere: bool
    consensus: Probabilities
    models: tuple[ModelOutput, ...] = Field(min_length=1)
    uncertain: tuple[Text, ...] = ()
    disagreement: tuple[Text, ...] = ()
    tensor_key: Text
    tensor_sha256: Sha256
    views: tuple[SpecimenView, ...] = Field(min_length=2)
    announced_at: Moment
    produced_at: Moment

    @property
    def key(self) -> str:
        """The newest call of an animal survives compaction."""
        return self.biological_sample_id
