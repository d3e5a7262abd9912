"""xray.tensors: the fused tensor of one revision lies in object storage."""

from __future__ import annotations

from pydantic import Field

from services.common.events.base import Centre, Event, Moment, Sha256, SpecimenId, Text
from services.common.events.specimen import SpecimenView


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
