"""What must be true of an event that was accepted, and of a record that was refused."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from psycopg.types.json import Json, Jsonb

from services.common import topology
from services.common.errors import Rejected
from services.common.events import CentreStatistics, Event, ImageEvent, ModelActivation, Rejection
from services.common.identity import image_event_id, log_fields
from services.common.loop import Record
from services.common.loop.dead_letter import rejection_of
from services.common.loop.transport import RawRecord
from services.common.topics import REJECTED, Topic
from services.ledger.rows import row_of

NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVENT_REASONS: Final = frozenset(
    {
        "value_missing",
        "json_invalid",
        "schema_version_unsupported",
        "id_empty",
        "id_placeholder",
        "id_too_long",
        "field_missing",
        "field_invalid",
    }
)
"""The reasons of `parse_event`."""
_SPARE_BYTES: Final = 64 * 1024
"""For Kafka's own fields of a record and a batch."""
_NO_ROW: Final = (ModelActivation, CentreStatistics)


def raw_record(topic: Topic, value: bytes | None, **fields: Any) -> RawRecord:
    """A record of a topic as it arrives."""
    usual = {"key": b"k", "headers": (("trace", b"1"),)} | fields
    at = fields.get("timestamp", NOON)
    return RawRecord(topic.name, 0, fields.get("offset", 5), at, usual["key"], value, usual["headers"], "id")


def check_accepted(topic: Topic, event: Event) -> None:
    """An accepted event parses to the same value again, has a key and log fields, and its row can be stored."""
    again = topic.parse(event.encode())
    assert again == event
    assert again.key == event.key
    event.key.encode()
    json.dumps(log_fields(event), default=str).encode()
    assert image_event_id(event) == image_event_id(again)
    check_moments(event.model_dump())
    if isinstance(event, ImageEvent):
        assert event.model_copy(update={"image_uri": event.shown_uri}).event_id == event.event_id
    if topic in topology.SINK.inputs:
        check_row(topic, event)


def check_row(topic: Topic, event: Event) -> None:
    """PostgreSQL can store the event's row, or the event is refused because it holds no base64."""
    try:
        row = row_of(Record(topic.name, 0, 5, NOON, b"k", b"", (), event)).row
    except Rejected as rejected:
        assert rejected.reason == "original_invalid"
        return
    for value in row.values():
        _check_storable(value)


def check_moments(value: Any) -> None:
    """Every time is one that PostgreSQL gives back to Python: it exists in UTC."""
    if isinstance(value, datetime):
        assert value.tzinfo is not None
        value.astimezone(UTC)
    elif isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            check_moments(one)


def _check_storable(value: Any) -> None:
    if isinstance(value, Json | Jsonb):
        text = json.dumps(value.obj, allow_nan=False)
        assert "\\u0000" not in text.replace("\\\\", "")
        text = json.dumps(value.obj, ensure_ascii=False)
        value = text
    if isinstance(value, str):
        assert "\0" not in value
        value.encode()
    check_moments(value)


def check_refused(raw: RawRecord, rejected: Rejected) -> str:
    """The rejection fits into its topic, parses to the same value, and its row can be stored."""
    rejection = rejection_of("intake", raw, rejected, None)
    encoded = rejection.encode()
    assert len(encoded) <= REJECTED.max_message_bytes - _SPARE_BYTES
    again = REJECTED.parse(encoded)
    assert isinstance(again, Rejection)
    assert again == rejection
    again.key.encode()
    check_row(REJECTED, again)
    return rejected.reason
