"""Turns a rejected record into the event that reports it, with everything a replay needs."""

import base64
import json
from typing import Final

from services.common.errors import Rejected
from services.common.events import Rejection
from services.common.events.base import now
from services.common.events.rejection import rejection_id
from services.common.loop.transport import RawRecord
from services.common.topics import MAX_MESSAGE_BYTES

_LARGEST_ORIGINAL: Final = MAX_MESSAGE_BYTES // 2
"""Base64 adds a third. A larger record, which only xray.rejected takes, stays where `source_offset` points."""


def rejection_of(stage: str, record: RawRecord, rejected: Rejected, image_event_id: str | None) -> Rejection:
    """Describe why `stage` rejected `record`, whose bytes, key and headers are kept unchanged.

    `image_event_id` names the announcement that the record is about, if it is about one.
    """
    specimen, centre = _named(record.value)
    details = json.loads(json.dumps(rejected.details, default=str))
    fits = len(record.value or b"") <= _LARGEST_ORIGINAL
    if not fits:
        details["original_bytes"] = len(record.value or b"")
    return Rejection(
        rejection_id=rejection_id(stage, record.topic, record.partition, record.offset),
        stage=stage,
        reason=rejected.reason,
        words=rejected.message.encode(errors="replace").decode(),
        details=details,
        biological_sample_id=specimen,
        centre=centre,
        image_event_id=image_event_id,
        source_topic=record.topic,
        source_partition=record.partition,
        source_offset=record.offset,
        source_timestamp=record.timestamp,
        original_key=None if record.key is None else base64.b64encode(record.key).decode(),
        original=None if record.value is None or not fits else base64.b64encode(record.value).decode(),
        headers=tuple((name, base64.b64encode(value).decode()) for name, value in record.headers),
        produced_at=now(),
    )


def _named(value: bytes | None) -> tuple[str | None, str | None]:
    """Find specimen and centre in a record that may hold anything."""
    try:
        fields = json.loads(value or b"null")
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(fields, dict):
        return None, None
    return _short(fields.get("biological_sample_id"), 512), _short(fields.get("centre"), 64)


def _short(text: object, limit: int) -> str | None:
    if not isinstance(text, str) or not text or len(text) > limit:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return text
