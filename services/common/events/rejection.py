"""xray.rejected: the dead letter, with everything needed to understand, mend and replay it."""

from __future__ import annotations

import base64

from pydantic import Field, JsonValue

from services.common.events.base import Event, Moment, Text, digest


class Rejection(Event):
    """One record that a service refused.

    `stage` and `reason` are what operators count; `words` is for a person; `original` is the record's value in
    base64 and `headers` its headers (values in base64), so that a replay sends the very same record.
    `biological_sample_id` and `centre` are set when they could be read.
    """

    rejection_id: str
    stage: Text
    reason: Text
    words: str
    details: dict[str, JsonValue] = Field(default_factory=dict)
    biological_sample_id: str | None = None
    centre: str | None = None
    image_event_id: str | None = None
    source_topic: Text
    source_partition: int
    source_offset: int
    source_timestamp: Moment
    original_key: str | None
    original: str | None
    headers: tuple[tuple[str, str], ...] = ()
    produced_at: Moment

    @property
    def key(self) -> str:
        """The specimen where known, else the rejection itself."""
        return self.biological_sample_id or self.rejection_id

    def original_bytes(self) -> bytes | None:
        """Return the refused record's value as it was."""
        return None if self.original is None else base64.b64decode(self.original)


def rejection_id(stage: str, topic: str, partition: int, offset: int) -> str:
    """Return the identity of a rejection: refusing the same record twice is one rejection."""
    return digest("rejection", stage, topic, partition, offset)
