"""xray.specimens: one revision of the set of views of a specimen.

xray.views: a standardised view lies in object storage.

xray.tensors: the fused tensor of one revision lies in object storage.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.common.events.base import Centre, Event, Moment, Sha256, SpecimenId, Text, View


class ViewReady(Event):
    """A standardised view (PNG, uint8 [448, 448], bone bright) and how it was come by.

    `scores` are the quality scores, `flags` what a reader should know (say `view_contradicts_parameter`),
    `provenance` how the pixels were changed. `view_sha256` is the digest of the stored PNG.
    """

    biological_sample_id: SpecimenId
    centre: Centre
    parameter_stable_id: Text
    image_event_id: Sha256
    image_uri: Text
    image_sha256: Sha256
    view: View
    view_key: Text
    view_sha256: Sha256
    original_key: Text
    preprocessing_version: Text
    preprocessing_generation: int = Field(ge=1)
    scores: dict[str, float]
    flags: tuple[Text, ...] = ()
    provenance: dict[str, JsonValue]
    announced_at: Moment
    produced_at: Moment

    @property
    def key(self) -> str:
        """Every event of one animal lands on one partition."""
        return self.biological_sample_id


class TensorReady(Event):
    """A fused multiview tensor (`.npy`, uint8 [side, side, 3]: mean DV, mean LAT, blended edges).

    `tensor_sha256` is the digest of the stored file; `tensor_key` is derived from the digests of the images, so it is
    known before the tensor is computed.
    """

    biological_sample_id: SpecimenId
    centre: Centre
    revision: int = Field(ge=2)
    views: tuple[SpecimenView, ...] = Field(min_length=2)
    tensor_key: Text
    tensor_sha256: Sha256
    tensor_side: int = Field(ge=32)
    preprocessing_version: Text
    preprocessing_generation: int = Field(ge=1)
    announced_at: Moment
    produced_at: Moment

    @property
    def key(self) -> str:
        """Every event of one animal lands on one partition."""
        return self.biological_sample_id


class SpecimenView(BaseModel):
    """One member of the set; ordered by view, then by the digest of the original image."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    view: View
    image_sha256: Sha256
    view_key: Text


class SpecimenReady(Event):
    """The whole set of views of a specimen that has at least one DV and one LAT view.

    `revision` is the size of the set: sets only grow, so the larger one is the newer one. `announced_at` is when the
    image that completed this revision was announced.
    """

    biological_sample_id: SpecimenId
    centre: Centre
    revision: int = Field(ge=2)
    views: tuple[SpecimenView, ...] = Field(min_length=2)
    preprocessing_version: Text
    preprocessing_generation: int = Field(ge=1)
    announced_at: Moment
    produced_at: Moment

    @property
    def key(self) -> str:
        """Every event of one animal lands on one partition."""
        return self.biological_sample_id
