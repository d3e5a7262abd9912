"""Rejections: counts by reason, lists, and single ones with the original bytes."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.common.errors import Rejected
from services.common.events import Rejection
from services.ledger.database import Connection, mappings, rows


@dataclass(frozen=True)
class RejectionCount:
    """How often a stage gave a reason, and when it last did."""

    stage: str
    reason: str
    count: int
    newest: datetime


@dataclass(frozen=True)
class RejectionSummary:
    """A rejection without the original; `original_bytes` is its size, None when the record had no value.

    `file_name` is the one that the announcement of the image gives, else the last part of its address. `details` holds
    what was measured and the limits.
    """

    rejection_id: str
    stage: str
    reason: str
    words: str
    biological_sample_id: str | None
    centre: str | None
    image_event_id: str | None
    source_topic: str
    source_partition: int
    source_offset: int
    original_bytes: int | None
    produced_at: datetime
    recorded_at: datetime
    file_name: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def rejection_counts(
    connection: Connection, *, centre: str | None = None, since: datetime | None = None
) -> list[RejectionCount]:
    """Count rejections by stage and reason, the most frequent first. `since` is the earliest time of recording."""
    query = """
        select stage, reason, count(*) as count, max(recorded_at) as newest
        from rejection
        where (%(centre)s::text is null or centre = %(centre)s)
          and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
        group by stage, reason order by count(*) desc, stage, reason
    """
    return rows(connection, RejectionCount, query, centre=centre, since=since)


def rejections(
    connection: Connection,
    *,
    reason: str | None = None,
    stage: str | None = None,
    centre: str | None = None,
    biological_sample_id: str | None = None,
    since: datetime | None = None,
    limit: int = 50,
) -> list[RejectionSummary]:
    """Return rejections that match all given conditions, the last recorded first."""
    query = """
        select rejection_id, stage, reason, words, biological_sample_id, centre, image_event_id, source_topic,
               source_partition, source_offset, octet_length(original) as original_bytes, produced_at, recorded_at,
               (select coalesce(metadata ->> 'file_name', regexp_replace(image_uri, '^.*/', ''))
                from image where event_id = image_event_id) as file_name, details
        from rejection
        where (%(reason)s::text is null or reason = %(reason)s)
          and (%(stage)s::text is null or stage = %(stage)s)
          and (%(centre)s::text is null or centre = %(centre)s)
          and (%(specimen)s::text is null or biological_sample_id = %(specimen)s)
          and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
        order by recorded_at desc, rejection_id limit %(limit)s
    """
    filters = {"reason": reason, "stage": stage, "centre": centre, "specimen": biological_sample_id}
    return rows(connection, RejectionSummary, query, **filters, since=since, limit=limit)


def find_rejection(connection: Connection, beginning: str) -> Rejection | None:
    """Return the rejection whose id starts with `beginning`, with the original bytes, key and headers, or None.

    Raises Rejected(`id_ambiguous`) when several ids start with it.
    """
    query = "select * from rejection where starts_with(rejection_id, %(beginning)s) order by rejection_id limit 2"
    found = mappings(connection, query, beginning=beginning)
    if len(found) > 1:
        raise Rejected("id_ambiguous", f"several rejections have an id that starts with {beginning!r}")
    return _rejection(found[0]) if found else None


def _rejection(row: Mapping[str, Any]) -> Rejection:
    encoded = {name: _encoded(row[name]) for name in ("original_key", "original")}
    return Rejection.model_validate({**row, **encoded})


def _encoded(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()
