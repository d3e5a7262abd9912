"""Calls: the current ones, those after a reader's cursor, all of one specimen, and an export in bounded memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.rows import dict_row

from services.common.events import CallAbstention, PhenotypeCall
from services.ledger.database import Connection, mappings, sorted_errors

_FETCHED: Final = 500
"""Calls per fetch from the server: about 3 MB."""
# Follows the index call_rank, so that the first rows arrive at once, whatever the size of the ledger.
_SELECTED: Final[LiteralString] = """
    from (
        select *, lead(call_id) over (
            partition by biological_sample_id
            order by preprocessing_generation, revision, activation, call_id
        ) is null and not exists (
            select from call_withdrawal as later
            where later.biological_sample_id = call.biological_sample_id
              and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
                > (call.preprocessing_generation, call.revision, call.activation, call.call_id)
        ) and not exists (
            select from call_abstention as later
            where later.biological_sample_id = call.biological_sample_id
              and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
                > (call.preprocessing_generation, call.revision, call.activation, call.call_id)
        ) as current
        from call
    ) as ranked
    where (current or %(history)s)
      and (%(centre)s::text is null or centre = %(centre)s)
      and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
      and (abnormal or not %(abnormal_only)s)
"""
_ORDER: Final[LiteralString] = "order by biological_sample_id, preprocessing_generation, revision, activation, call_id"


@dataclass(frozen=True)
class StoredCall:
    """A call in an export; `current` is false when another call of the same specimen outranks it."""

    call: PhenotypeCall
    current: bool
    recorded_at: datetime


@contextmanager
def stored_calls(
    connection: Connection,
    *,
    history: bool,
    centre: str | None,
    since: datetime | None = None,
    abnormal_only: bool = False,
) -> Iterator[tuple[int, Iterator[StoredCall]]]:
    """Yield the number of calls and the calls, by specimen and rank: the current ones, or all with `history`.

    `since` compares with the time of recording; `abnormal_only` leaves out calls that are not abnormal.
    Both are of one snapshot; calls recorded meanwhile are not included. Raises Retriable when the database goes away,
    Fatal when the tables are missing.
    """
    filters = {"history": history, "centre": centre, "since": since, "abnormal_only": abnormal_only}
    with sorted_errors("read the ledger"), connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        (number,) = connection.execute(f"select count(*) {_SELECTED}", filters).fetchone() or (0,)
        with connection.cursor(name="export", row_factory=dict_row) as cursor:
            cursor.itersize = _FETCHED
            cursor.execute(f"select * {_SELECTED} {_ORDER}", filters)
            yield number, (_stored(row) for row in cursor)


def _stored(row: dict[str, Any]) -> StoredCall:
    return StoredCall(PhenotypeCall.model_validate(row), row["current"], row["recorded_at"])


@dataclass(frozen=True)
class CallRecord:
    """A call in the ledger.

    `sequence` is the cursor for `calls_after`. `current` is false once the specimen has a call of higher rank, or
    has lost its call.
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
    """Return current calls, the last recorded first. `since` is the earliest time of recording."""
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


def current_outcomes_of(connection: Connection, specimens: Sequence[str]) -> dict[str, PhenotypeCall | CallAbstention]:
    """Return the current call, or the abstention in its place, of each of these specimens that has one."""
    query = "select * from current_abstention where biological_sample_id = any(%(specimens)s)"
    found = mappings(connection, query, specimens=list(specimens))
    return dict(current_calls_of(connection, specimens)) | {
        row["biological_sample_id"]: CallAbstention.model_validate(row) for row in found
    }


def abstentions_of(connection: Connection, biological_sample_id: str) -> list[CallAbstention]:
    """Return the revisions of a specimen that were not called, the newest first."""
    query = """
        select * from call_abstention where biological_sample_id = %(specimen)s
        order by preprocessing_generation desc, revision desc, activation desc, call_id desc
    """
    return [CallAbstention.model_validate(row) for row in mappings(connection, query, specimen=biological_sample_id)]


def current_abstentions(
    connection: Connection, *, centre: str | None = None, since: datetime | None = None, limit: int = 50
) -> list[CallAbstention]:
    """Return the specimens that are not called now, the last recorded first. `since` compares as in `current_calls`."""
    query = """
        select * from current_abstention
        where (%(centre)s::text is null or centre = %(centre)s)
          and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
        order by recorded_at desc, call_id limit %(limit)s
    """
    found = mappings(connection, query, centre=centre, since=since, limit=limit)
    return [CallAbstention.model_validate(row) for row in found]


def newest_sequence(connection: Connection) -> int:
    """Return the cursor after which there is no call yet; 0 in an empty ledger."""
    (row,) = mappings(connection, "select coalesce(max(sequence), 0) as newest from call")
    return int(row["newest"])


def calls_after(connection: Connection, sequence: int, *, limit: int = 1000) -> list[CallRecord]:
    """Return the calls recorded after a cursor, oldest first, including superseded ones.

    No call is missed: sequences grow in the order in which calls become visible (services/ledger/writer.py).
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
