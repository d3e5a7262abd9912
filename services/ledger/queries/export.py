"""Calls from the ledger, one after the other, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.rows import dict_row

from services.common.events import PhenotypeCall
from services.ledger.database import Connection, sorted_errors

_FETCHED: Final = 500
"""Calls in one answer of the server: some 3 MB."""
# Along the index call_rank, so that the first rows come at once, whatever the size of the ledger.
_WANTED: Final[LiteralString] = """
    from (
        select *, lead(call_id) over (
            partition by biological_sample_id
            order by preprocessing_generation, revision, activation, call_id
        ) is null as current
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
    """A call as the ledger has it; `current` is false for one that another of the same specimen outranks."""

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
    """Give the number of calls and the calls, by specimen and rank: the current ones, or with `history` all.

    `since` compares with the time of recording; `abnormal_only` leaves out calls that are not abnormal.
    Both are of one moment; calls that are recorded meanwhile are left out. Raises Retriable when the database goes
    away, Fatal when the tables are missing.
    """
    wanted = {"history": history, "centre": centre, "since": since, "abnormal_only": abnormal_only}
    with sorted_errors("read the ledger"), connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        (number,) = connection.execute(f"select count(*) {_WANTED}", wanted).fetchone() or (0,)
        with connection.cursor(name="export", row_factory=dict_row) as cursor:
            cursor.itersize = _FETCHED
            cursor.execute(f"select * {_WANTED} {_ORDER}", wanted)
            yield number, (_stored(row) for row in cursor)


def _stored(row: dict[str, Any]) -> StoredCall:
    return StoredCall(PhenotypeCall.model_validate(row), row["current"], row["recorded_at"])
