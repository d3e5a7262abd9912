"""What an event is about: its ids in the log and in dead letters. The batch loop is given these functions."""

from functools import cache
from typing import Any, Final

from services.common.events import Event, ImageEvent, ViewReady

_FIELDS: Final = (
    ("biological_sample_id", "biological_sample_id"),
    ("centre", "centre"),
    ("event_id", "image_event_id"),
    ("image_event_id", "image_event_id"),
    ("image_sha256", "image_sha256"),
    ("view", "view"),
    ("revision", "revision"),
    ("call_id", "call_id"),
    ("rejection_id", "rejection_id"),
)
"""Attributes of the events that identify what a record is about, and their names in the log."""


def log_fields(event: Event) -> dict[str, Any]:
    """Return what an event is about, by the names used in the log; unknown values are left out."""
    found = {name: getattr(event, attribute) for attribute, name in _fields_of(type(event))}
    return {name: value for name, value in found.items() if value is not None}


def image_event_id(event: Event) -> str | None:
    """Return the announcement that an event is about, None for an event about more than one image."""
    match event:
        case ImageEvent():
            return event.event_id
        case ViewReady():
            return event.image_event_id
    return None


@cache
def _fields_of(event_type: type[Event]) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in _FIELDS if pair[0] in event_type.model_fields or hasattr(event_type, pair[0]))
