"""xray.rejected: the dead letter, with everything needed to understand, fix and replay a refused record."""

import base64

from pydantic import Field, JsonValue

from services.common.events.base import Event, Moment, ProducedAt, Text, digest


class Rejection(Event):
    """One record that a service refused.

    Operators count `stage` and `reason`. `original` and `headers` hold the refused record byte for byte, so that a
    replay sends exactly the same record.
    """

    rejection_id: str = Field(
        description="Identity of the rejection: a digest of the stage and of the position of the refused record."
    )
    stage: Text = Field(description="Service that refused the record.")
    reason: Text = Field(description="Stable code of the reason, in snake_case.")
    words: str = Field(description="Explanation in one sentence for people.")
    details: dict[str, JsonValue] = Field(
        default_factory=dict, description="Measured values and limits behind the refusal."
    )
    biological_sample_id: str | None = Field(None, description="The animal, where it could be read.")
    centre: str | None = Field(None, description="The centre, where it could be read.")
    image_event_id: str | None = Field(None, description="Identity of the announcement, where it could be read.")
    source_topic: Text = Field(description="Topic of the refused record.")
    source_partition: int = Field(description="Partition of the refused record.")
    source_offset: int = Field(description="Offset of the refused record.")
    source_timestamp: Moment = Field(description="Kafka's timestamp of the refused record.")
    original_key: str | None = Field(description="The key of the refused record in base64, null if it had no key.")
    original: str | None = Field(description="The value of the refused record in base64, null if it had no value.")
    headers: tuple[tuple[str, str], ...] = Field(
        (), description="The headers of the refused record: pairs of name and value, the value in base64."
    )
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """The specimen where it is known, else the rejection."""
        return self.biological_sample_id or self.rejection_id

    def original_bytes(self) -> bytes | None:
        """Return the original value of the refused record."""
        return None if self.original is None else base64.b64decode(self.original)


def rejection_id(stage: str, topic: str, partition: int, offset: int) -> str:
    """Return the identity of a rejection, which is the same when the same record is refused twice."""
    return digest("rejection", stage, topic, partition, offset)
