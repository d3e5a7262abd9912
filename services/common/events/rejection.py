"""xray.rejected: the dead letter, with everything needed to understand, fix and replay a refused record."""

import base64
import hashlib
from typing import Final, Self

from pydantic import Field, JsonValue

from services.common.events.base import Event, JsonObject, Moment, ProducedAt, Text, digest

UNREADABLE: Final = "record_unreadable"
"""Reason code of records that could not be read: such a rejection has a position, and never an original."""
LEFT_OUT_BYTES: Final = "original_bytes"
LEFT_OUT_DIGEST: Final = "original_sha256"
"""Names in `details` of the size and digest of a value that the rejection does not contain."""
_SMALLEST_WORDS: Final = 200


class Rejection(Event):
    """One record that a service refused.

    Operators count `stage` and `reason`. `original_key`, `original` and `headers` hold the refused record byte for
    byte, so that a replay sends exactly the same record. They are left out of a record that is too large, and
    `details.original_bytes` and `details.original_sha256` then give the size and the digest of its value. The record
    itself stays at its position for as long as its topic keeps it. A record that could not be read at all
    (`record_unreadable`) has only a position: the offsets from `source_offset` to `details.last_offset`.
    """

    rejection_id: str = Field(
        description="Identity of the rejection: a digest of the stage, of the id that Kafka gave the topic when it was "
        "created, and of the position of the refused record. Offsets begin again in a topic that is created again."
    )
    stage: Text = Field(description="Service that refused the record.")
    reason: Text = Field(description="Stable code of the reason, in snake_case.")
    words: str = Field(description="Explanation in one sentence for people, at most 2,000 characters.")
    details: JsonObject = Field(
        default_factory=dict,
        description="Measured values and limits behind the refusal, at most about 64 KiB. `left_out` "
        "counts what was too much.",
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

    @property
    def left_out(self) -> str | None:
        """The digest of the original value, if this rejection does not contain key, value and headers."""
        found = self.details.get(LEFT_OUT_DIGEST)
        return found if isinstance(found, str) else None

    @property
    def is_smallest(self) -> bool:
        """Whether nothing more can be left out."""
        return self == self.smallest()

    def smallest(self) -> Self:
        """Return this rejection without the refused record and with no details but what finds it; a few kB at most."""
        found_by_its_position = self.left_out is not None or self.reason == UNREADABLE
        kept = self.details if found_by_its_position else left_out(self.original_bytes())
        return self.model_copy(
            update={
                "words": self.words[:_SMALLEST_WORDS],
                "details": {
                    name: kept[name] for name in (LEFT_OUT_BYTES, LEFT_OUT_DIGEST, "last_offset") if name in kept
                },
                "original_key": None,
                "original": None,
                "headers": (),
            }
        )


def left_out(value: bytes | None) -> dict[str, JsonValue]:
    """Return the details of a record whose key, value and headers a rejection does not contain."""
    return {LEFT_OUT_BYTES: len(value or b""), LEFT_OUT_DIGEST: hashlib.sha256(value or b"").hexdigest()}


def rejection_id(stage: str, topic_id: str, topic: str, partition: int, offset: int) -> str:
    """Return the identity of a rejection, which is the same when the same record is refused twice."""
    return digest("rejection", stage, topic_id, topic, partition, offset)
