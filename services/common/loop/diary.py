"""One line in the log a record and service, so that `grep` by specimen, event, image or call follows it all the way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from services.common import logs
from services.common.errors import Rejected
from services.common.events import Event
from services.common.loop.handler import Outcome, Record
from services.common.loop.transport import RawRecord

_NAMES: Final = (
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
"""Attributes of the events that say what a record is about, and their names in the log."""


def log_outcomes(
    raw: Sequence[RawRecord], parsed: Sequence[Record[Event] | Outcome], outcomes: Sequence[Outcome]
) -> None:
    """Write what became of each record of a committed batch: `done`, `skipped` or `rejected`, and what it was about."""
    logs.write_many(_line(*one) for one in zip(raw, parsed, outcomes, strict=True))


def names(event: Event) -> dict[str, Any]:
    """Return what an event is about, by the names that the log uses; nothing that is not known."""
    found = {name: getattr(event, attribute) for attribute, name in _names_of(type(event))}
    return {name: value for name, value in found.items() if value is not None}


@cache
def _names_of(event_type: type[Event]) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in _NAMES if pair[0] in event_type.model_fields or hasattr(event_type, pair[0]))


def _line(where: RawRecord, record: Record[Event] | Outcome, outcome: Outcome) -> dict[str, Any]:
    line: dict[str, Any]
    if isinstance(outcome, Rejected):
        line = {"event": "rejected", "reason": outcome.reason, "words": outcome.message}
    elif outcome.skipped is not None:
        line = {"event": "skipped", "cause": outcome.skipped}
    else:
        line = {"event": "done"}
        for message in outcome.messages:
            line |= names(message.event)
    if isinstance(record, Record):
        line |= names(record.event)
    return line | {"topic": where.topic, "partition": where.partition, "offset": where.offset}
