"""Turns a rejected record into the event that reports it, with everything a replay needs.

Whatever the record holds, the event has a bounded size: a rejection that its topic does not take would stop the
partition. Key, value and headers are kept together or left out together.
"""

import base64
import json
import math
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from pydantic import JsonValue

from services.common.errors import Rejected
from services.common.events import Rejection
from services.common.events.base import now
from services.common.events.rejection import left_out, rejection_id
from services.common.kafka.batches import Unreadable
from services.common.loop.transport import RawRecord
from services.common.topics import CENTRE_IMAGES, MAX_MESSAGE_BYTES

_RECORD_BYTES: Final = MAX_MESSAGE_BYTES * 7 // 10
"""Most bytes of a rejection for key, value and headers, encoded."""
_WORDS: Final = 2_000
_DETAILS_BYTES: Final = 64 * 1024
_TEXT: Final = 4_000
_NAME: Final = 200
_ITEMS: Final = 50
_DEPTH: Final = 8
_ESCAPED: Final = 6
"""Most bytes of one byte of text in JSON: a control character is written as \\u0000."""


def rejection_of(stage: str, record: RawRecord, rejected: Rejected, image_event_id: str | None) -> Rejection:
    """Describe why `stage` rejected `record`; its bytes, key and headers are kept unchanged if they are not too large.

    `image_event_id` names the announcement that the record is about, if it is about one. A record on a centre's own
    topic counts as that centre's, whichever it names.
    """
    specimen, named = _named(record.value)
    offset = record.value.first_offset if isinstance(record.value, Unreadable) else record.offset
    whole = _encoded_bytes(record) <= _RECORD_BYTES
    details = bounded_details(rejected.details)
    return Rejection(
        rejection_id=rejection_id(stage, record.topic_id, record.topic, record.partition, offset),
        stage=stage,
        reason=rejected.reason,
        words=_text(rejected.message, _WORDS),
        details=details if whole else details | left_out(record.value),
        biological_sample_id=specimen,
        centre=CENTRE_IMAGES.centre(record.topic) or named,
        image_event_id=_short(image_event_id, 512),
        source_topic=record.topic,
        source_partition=record.partition,
        source_offset=offset,
        source_timestamp=record.timestamp,
        original_key=_base64(record.key) if whole else None,
        original=_base64(None if isinstance(record.value, Unreadable) else record.value) if whole else None,
        headers=tuple((name, base64.b64encode(value).decode()) for name, value in record.headers) if whole else (),
        produced_at=now(),
    )


def bounded_details(details: dict[str, Any]) -> dict[str, JsonValue]:
    """Return the details as JSON of bounded size: the first of many items, and a count of the rest."""
    return _Bounded(_DETAILS_BYTES).mapping(details, _DEPTH)


class _Bounded:
    """Copies a value until the room for it is used up."""

    def __init__(self, room: int) -> None:
        self._room = room

    def value(self, value: Any, depth: int) -> JsonValue:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and abs(value) < 2**63:
            return int(value)
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        if isinstance(value, dict) and depth:
            return self.mapping(value, depth - 1)
        if isinstance(value, list | tuple) and depth:
            return self._sequence(value, depth - 1)
        return self._spent(value if isinstance(value, str) else _described(value), _TEXT)

    def mapping(self, value: dict[Any, Any], depth: int) -> dict[str, JsonValue]:
        kept: dict[str, JsonValue] = {}
        for name, item in self._first(value.items()):
            kept[self._spent(name if isinstance(name, str) else _described(name), _NAME)] = self.value(item, depth)
        return kept if len(kept) == len(value) else kept | {"left_out": len(value) - len(kept)}

    def _sequence(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[JsonValue]:
        kept = [self.value(item, depth) for item in self._first(value)]
        return kept if len(kept) == len(value) else [*kept, {"left_out": len(value) - len(kept)}]

    def _first(self, items: Iterable[Any]) -> Iterable[Any]:
        for item in islice(items, _ITEMS):
            if self._room <= 0:
                return
            self._room -= 32  # a number and the signs around it
            yield item

    def _spent(self, text: str, limit: int) -> str:
        text = _text(text, min(limit, max(0, self._room)))
        self._room -= len(json.dumps(text, ensure_ascii=False).encode())
        return text


def _described(value: Any) -> str:
    try:
        return str(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a loop
        return f"a value of type {type(value).__name__}"


def _text(text: str, limit: int) -> str:
    """Return text that can be encoded, cut to `limit` characters."""
    text = text[: limit + 1].encode(errors="replace").decode()
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "\N{HORIZONTAL ELLIPSIS}"


def _encoded_bytes(record: RawRecord) -> int:
    headers = sum(_ESCAPED * len(name.encode()) + _base64_bytes(value) + 16 for name, value in record.headers)
    return _base64_bytes(record.key) + _base64_bytes(record.value) + headers


def _base64_bytes(value: bytes | None) -> int:
    return 4 * (len(value or b"") // 3 + 1)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


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
