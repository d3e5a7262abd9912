"""One log line per record and service, so that a search for a specimen, event, image or call finds every step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.common import logs
from services.common.errors import Rejected
from services.common.events import Event
from services.common.loop.handler import Outcome, Record
from services.common.loop.transport import RawRecord

LogFields = Callable[[Event], Mapping[str, Any]]
"""Returns what an event is about, by the names used in the log."""


def log_outcomes(
    raw: Sequence[RawRecord],
    parsed: Sequence[Record[Event] | Outcome],
    outcomes: Sequence[Outcome],
    fields: LogFields,
) -> None:
    """Log the outcome of each record of a committed batch: `done`, `skipped`, `parked` or `rejected`, with its ids."""
    logs.write_many(_line(*one, fields) for one in zip(raw, parsed, outcomes, strict=True))


def _line(where: RawRecord, record: Record[Event] | Outcome, outcome: Outcome, fields: LogFields) -> dict[str, Any]:
    line: dict[str, Any]
    if isinstance(outcome, Rejected):
        line = {"event": "rejected", "reason": outcome.reason, "words": outcome.message}
    elif outcome.parked is not None:
        line = {"event": "parked", "on": outcome.messages[0].topic.name, "why": str(outcome.parked)}
    elif outcome.skipped is not None:
        line = {"event": "skipped", "cause": outcome.skipped}
    else:
        line = {"event": "done"}
        for message in outcome.messages:
            line |= fields(message.event)
    if isinstance(record, Record):
        line |= fields(record.event)
    return line | {"topic": where.topic, "partition": where.partition, "offset": where.offset}
