"""Calls: the current ones, those newer than a reader has seen, all of one specimen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.common.events import PhenotypeCall
from services.ledger.database import Connection, mappings


@dataclass(frozen=True)
class CallRecord:
    """A call as the ledger has it.

    `sequence` is the cursor for `calls_after`; `current` is false once a call of higher rank is there.
    """

    sequence: int
    recorded_at: datetime
    current: bool
    call: PhenotypeCall


def current_calls(
    connection: Connection,
    *,
    centre: str | None = None,
    since: datetime | None = None,
    abnormal_only: bool = False,
    limit: int = 50,
) -> list[CallRecord]:
    """Return current calls, the last recorded first; `since` compares with the time of recording."""
    query = """
        select *, true as current from current_call
        where (%(centre)s::text is null or centre = %(centre)s)
          and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
          and (abnormal or not %(abnormal_only)s)
        order by sequence desc limit %(limit)s
    """
    return _records(mappings(connection, query, centre=centre, since=since, abnormal_only=abnormal_only, limit=limit))


def current_calls_of(connection: Connection, specimens: Sequence[str]) -> dict[str, PhenotypeCall]:
    """Return the current call of each of these specimens that has one."""
    query = "select *, true as current from current_call where biological_sample_id = any(%(specimens)s)"
    found = _records(mappings(connection, query, specimens=list(specimens)))
    return {record.call.biological_sample_id: record.call for record in found}


def newest_sequence(connection: Connection) -> int:
    """Return the cursor from which only calls yet to come are newer; 0 in an empty ledger."""
    (row,) = mappings(connection, "select coalesce(max(sequence), 0) as newest from call")
    return int(row["newest"])


def calls_after(connection: Connection, sequence: int, *, limit: int = 1000) -> list[CallRecord]:
    """Return the calls recorded after a cursor, oldest first, superseded ones too.

    Misses nothing: sequences grow in the order in which calls become visible (services/ledger/writer.py).
    """
    query = """
        select call.*, current_call.call_id is not null as current
        from call left join current_call using (call_id)
        where call.sequence > %(sequence)s
        order by call.sequence limit %(limit)s
    """
    return _records(mappings(connection, query, sequence=sequence, limit=limit))


def calls_of(connection: Connection, biological_sample_id: str) -> list[CallRecord]:
    """Return every call of a specimen with its full lineage, the current one first."""
    query = """
        select call.*, current_call.call_id is not null as current
        from call left join current_call using (call_id)
        where call.biological_sample_id = %(specimen)s
        order by (call.preprocessing_generation, call.revision, call.activation, call.call_id) desc
    """
    return _records(mappings(connection, query, specimen=biological_sample_id))


def _records(found: Iterable[Mapping[str, Any]]) -> list[CallRecord]:
    return [
        CallRecord(row["sequence"], row["recorded_at"], row["current"], PhenotypeCall.model_validate(row))
        for row in found
    ]
