"""xray.views: a standardised view lies in object storage."""

from __future__ import annotations

from pydantic import Field, JsonValue

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
