"""phenotype.shadow: what candidate versions say of a specimen that others called."""

from __future__ import annotations

from pydantic import Field

from services.common.events.base import Binary, Centre, Event, Moment, Sha256, SpecimenId, Text
from services.common.events.call import ModelOutput, Probabilities
from services.common.events.model import Versions
from services.common.labels import CALL_LABELS


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
