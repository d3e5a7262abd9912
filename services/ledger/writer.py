"""Writes to the ledger: all rows of a batch in one transaction. Writing the same batch again changes nothing."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any, Final

import psycopg
from psycopg import sql

from services.common.errors import Rejected, Retriable
from services.common.events import Event
from services.common.loop import Record
from services.ledger.database import Connection, connect, is_value_error, not_storable, sorted_errors
from services.ledger.migrate import check_migrated
from services.ledger.rows import LedgerRow, Row, SpecimenUpdate, Table, row_of

# Rows are inserted by ascending key, so that two workers on the same specimens wait for each other but never deadlock.
_KEYS: Final[dict[Table, tuple[str, ...]]] = {
    "image": ("event_id",),
    "view": ("biological_sample_id", "preprocessing_version", "view", "image_sha256"),
    "image_view": ("image_event_id", "preprocessing_version"),
    "call": ("call_id",),
    "call_withdrawal": ("call_id",),
    "withdrawal": ("withdrawal_id",),
    "review": ("review_id",),
    "shadow_call": ("shadow_id",),
    "rejection": ("rejection_id",),
}
# Only minima, so that neither the order of arrival nor a repetition changes the result.
_UPDATE_SPECIMEN: Final = """
insert into specimen as known (biological_sample_id, centre, announced_at, complete_since)
values (%(biological_sample_id)s, %(centre)s, %(announced_at)s, %(complete_since)s)
on conflict (biological_sample_id) do update set
    centre = case
        when (excluded.announced_at, excluded.centre) < (known.announced_at, known.centre) then excluded.centre
        else known.centre
    end,
    announced_at = least(excluded.announced_at, known.announced_at),
    complete_since = least(excluded.complete_since, known.complete_since)
where (excluded.announced_at, excluded.centre) < (known.announced_at, known.centre)
   or excluded.complete_since < coalesce(known.complete_since, 'infinity')
"""
# A set of views is complete within one preprocessing version, from its first DV and its first LAT view.
_COMPLETE: Final = """
with version as (
    select
        biological_sample_id,
        min(announced_at) filter (where view = 'DV') as dv_since,
        min(announced_at) filter (where view = 'LAT') as lat_since
    from view
    where biological_sample_id = any(%s)
    group by biological_sample_id, preprocessing_version
),
complete as (
    select biological_sample_id, min(greatest(dv_since, lat_since)) as since
    from version
    where dv_since is not null and lat_since is not null
    group by biological_sample_id
)
update specimen set complete_since = complete.since
from complete
where specimen.biological_sample_id = complete.biological_sample_id
  and complete.since < coalesce(specimen.complete_since, 'infinity')
"""
_IMAGE_VIEW: Final = (
    "image_event_id",
    "preprocessing_version",
    "preprocessing_generation",
    "biological_sample_id",
    "view",
    "image_sha256",
)
"""Columns that map an announcement to its view; the row in `view` names only the first announcement of an image."""
_ONE_WRITER_OF_CALLS: Final = "select pg_advisory_xact_lock('call'::regclass::oid::bigint)"
"""Held until commit, so that `call.sequence` grows in the order in which calls become visible to readers."""
_TRANSACTION_SECONDS: Final = 60
_BOUND_TRANSACTIONS: Final = """
select set_config(name, %s, false) from pg_settings where name = 'transaction_timeout'
"""
"""Ends the transaction of a worker that froze, or whose host is gone, between two statements of a batch: they are sent
as a pipeline, in which PostgreSQL applies neither of its other time-outs. PostgreSQL 17 and newer have it."""


class Ledger:
    """The single connection of a sink worker; connects at its first use, and again after the database was away."""

    def __init__(self, dsn: str) -> None:
        """Keep the connection string."""
        self._dsn = dsn
        self._connection: Connection | None = None

    def check(self) -> None:
        """Raise Retriable when the database is away, Fatal when it is not ready for this program."""
        with self._connected() as connection:
            check_migrated(connection)

    def write(self, records: Sequence[Record[Event]]) -> list[Rejected | None]:
        """Store the batch on disk; return one result per record: None, or why it was rejected.

        Raises Retriable (the whole batch was stored or none of it, so it can be written again) or Fatal.
        """
        prepared = [_prepared(record) for record in records]
        results = iter(self._store([one for one in prepared if isinstance(one, LedgerRow)]))
        return [next(results) if isinstance(one, LedgerRow) else one for one in prepared]

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _store(self, entries: Sequence[LedgerRow]) -> list[Rejected | None]:
        with self._connected() as connection:
            try:
                with connection.transaction():
                    _insert(connection, entries)
            except psycopg.Error as error:
                if not is_value_error(error):
                    raise
                with connection.transaction():
                    return [_inserted(connection, one) for one in entries]
        return [None] * len(entries)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        if self._connection is None:
            self._connection = _bound_connection(self._dsn)
        try:
            with sorted_errors("write to the ledger"):
                yield self._connection
        except Retriable:
            self.close()
            raise


def _bound_connection(dsn: str) -> Connection:
    connection = connect(dsn, "xray-sink")
    with sorted_errors("connect"):
        connection.execute(_BOUND_TRANSACTIONS, [f"{_TRANSACTION_SECONDS}s"])
    return connection


def _prepared(record: Record[Event]) -> LedgerRow | Rejected:
    try:
        return row_of(record)
    except Rejected as rejected:
        return rejected


def _inserted(connection: Connection, one: LedgerRow) -> Rejected | None:
    """Insert one row after a savepoint; return why it was rejected, if it was."""
    try:
        with connection.transaction():
            _insert(connection, [one])
    except psycopg.Error as error:
        if is_value_error(error):
            return not_storable(error)
        raise
    return None


def _insert(connection: Connection, entries: Sequence[LedgerRow]) -> None:
    tables: dict[Table, list[Row]] = {table: [] for table in _KEYS}
    for one in entries:
        tables[one.table].append(one.row)
    with connection.cursor() as cursor:
        updates = merged(one.specimen for one in entries if one.specimen)
        if updates:
            cursor.executemany(_UPDATE_SPECIMEN, [asdict(update) for update in updates])
        for table, rows in tables.items():
            if rows:
                _insert_rows(cursor, table, rows)


def _insert_rows(cursor: psycopg.Cursor[tuple[Any, ...]], table: Table, rows: list[Row]) -> None:
    if table == "call":
        cursor.execute(_ONE_WRITER_OF_CALLS)
    ordered = sorted(rows, key=itemgetter(*_KEYS[table]))
    cursor.executemany(_insert_statement(table, tuple(ordered[0])), ordered)
    if table == "view":
        _insert_rows(cursor, "image_view", [{name: row[name] for name in _IMAGE_VIEW} for row in rows])
        cursor.execute(_COMPLETE, [sorted({row["biological_sample_id"] for row in rows})])


@cache
def _insert_statement(table: Table, columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )


def merged(updates: Iterable[SpecimenUpdate]) -> list[SpecimenUpdate]:
    """Merge to one update per specimen, by the rule of the `specimen` table, in order of the ids."""
    known: dict[str, SpecimenUpdate] = {}
    for update in updates:
        name = update.biological_sample_id
        known[name] = _earlier(known[name], update) if name in known else update
    return [known[name] for name in sorted(known)]


def _earlier(one: SpecimenUpdate, other: SpecimenUpdate) -> SpecimenUpdate:
    first = min(one, other, key=lambda update: (update.announced_at, update.centre))
    since: list[datetime] = [moment for moment in (one.complete_since, other.complete_since) if moment is not None]
    return SpecimenUpdate(first.biological_sample_id, first.centre, first.announced_at, min(since, default=None))
