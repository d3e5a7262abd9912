"""xray.specimens: one revision of the set of views of a specimen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from services.common.events.base import Centre, Event, Moment, Sha256, SpecimenId, Text, View


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
