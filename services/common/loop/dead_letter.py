"""From a refused record to the event that says so, with everything a replay needs."""

from __future__ import annotations

import base64
import json
from typing import Final

from services.common.errors import Rejected
from services.common.events import ImageEvent, Rejection, ViewReady, parse_event
from services.common.events.base import now
from services.common.events.rejection import rejection_id
from services.common.loop.transport import RawRecord
from services.common.topics import IMAGES, MAX_MESSAGE_BYTES, VIEWS

_LARGEST_ORIGINAL: Final = MAX_MESSAGE_BYTES // 2
"""Base64 adds a third. Only xray.rejected takes larger records; one stays where `source_offset` says."""


def rejection_of(stage: str, record: RawRecord, rejected: Rejected) -> Rejection:
    """Describe why `stage` refused `record`; its bytes, key and headers are kept as they were."""
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
        image_event_id=_image_event_id(record),
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
    """Find specimen and centre in a record that may be anything."""
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


def _image_event_id(record: RawRecord) -> str | None:
    try:
        if record.topic == IMAGES.name:
            return parse_event(ImageEvent, record.value).event_id
        if record.topic == VIEWS.name:
            return parse_event(ViewReady, record.value).image_event_id
    except Rejected:
        return None
    return None
