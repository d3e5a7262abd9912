"""Connections to PostgreSQL, and its errors sorted by what the caller should do.

The ledger for commands that read it.

Run a query and read its rows as dataclasses or dictionaries.

Queries are never prepared: only a plan made for the very values drops the conditions that were left open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg import conninfo
from psycopg.rows import class_row, dict_row

from services.common.errors import Fatal, PipelineError, Rejected, Retriable
from services.common.settings import Settings


@contextmanager
def ledger(settings: Settings) -> Iterator[Connection]:
    """Connect to PostgreSQL; raises Retriable when it is away, Fatal when XRAY_POSTGRES_DSN is wrong."""
    with closing(connect(settings.postgres_dsn.get_secret_value(), "xray-cli")) as connection:
        yield connection


Row = TypeVar("Row")


def rows(connection: Connection, row_type: type[Row], query: LiteralString, **values: Any) -> list[Row]:
    """Return all rows, each as a `row_type` whose fields are the query's columns."""
    with sorted_errors("read the ledger"), connection.cursor(row_factory=class_row(row_type)) as cursor:
        return cursor.execute(query, values, prepare=False).fetchall()


def mappings(connection: Connection, query: LiteralString, **values: Any) -> list[Mapping[str, Any]]:
    """Return all rows, each as a mapping from column to value."""
    with sorted_errors("read the ledger"), connection.cursor(row_factory=dict_row) as cursor:
        return [*cursor.execute(query, values, prepare=False)]


Connection = psycopg.Connection[tuple[Any, ...]]

_DEFAULTS: Final[dict[str, str | int]] = {
    "connect_timeout": 5,
    "client_encoding": "utf8",
    # A database host that vanishes without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# Offsets are committed on the strength of a commit here, so it must be on disk. The time-outs end the locks of a
# worker that was frozen in the middle of a transaction.
_SESSION: Final = (
    "-c synchronous_commit=on -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
)
_VALUE_CLASSES: Final = ("22", "23", "54")
"""SQLSTATE classes that blame the values: data exception, integrity constraint, program limit (PostgreSQL docs, A)."""
_SETUP_CLASSES: Final = ("28", "3D", "3F", "42")
"""Invalid authorisation, no such database, no such schema, missing table or right."""
_SETUP_WORDS: Final = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "connection option",
)
"""A refused connection carries no SQLSTATE (libpq), only the server's English words."""


def connect(dsn: str, application_name: str) -> Connection:
    """Connect in autocommit mode; moments are read in UTC.

    Raises Retriable when the database is away, Fatal when XRAY_POSTGRES_DSN is wrong.
    """
    with sorted_errors("connect"):
        return psycopg.connect(_conninfo(dsn, application_name), autocommit=True)


def is_value_error(error: psycopg.Error) -> bool:
    """Tell whether the values of a row are to blame, so that the same row will fail again."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError)
    return error.sqlstate.startswith(_VALUE_CLASSES)


def not_storable(error: psycopg.Error) -> Rejected:
    """Return the verdict on a row that PostgreSQL cannot hold."""
    words = error.diag.message_primary or str(error)
    return Rejected("not_storable", f"PostgreSQL cannot hold it: {words}"[:1000], sqlstate=error.sqlstate)


@contextmanager
def sorted_errors(what: str) -> Iterator[None]:
    """Turn psycopg's errors into Retriable, Fatal or Rejected(`not_storable`)."""
    try:
        yield
    except psycopg.Error as error:
        raise _sorted(what, error) from error


def _sorted(what: str, error: psycopg.Error) -> PipelineError:
    if is_value_error(error):
        return not_storable(error)
    words = error.diag.message_primary or str(error).strip()
    if error.sqlstate is None:
        wrong_setup = any(setup_words in words for setup_words in _SETUP_WORDS)
    else:
        wrong_setup = error.sqlstate.startswith(_SETUP_CLASSES)
    if not wrong_setup:
        kind = error.sqlstate or type(error).__name__
        return Retriable(f"PostgreSQL could not {what}: {words}", server="postgres", kind=kind)
    mend = "run `xray init`" if error.sqlstate in {"42P01", "42703"} else "check XRAY_POSTGRES_DSN"
    return Fatal(f"PostgreSQL refused to {what}: {words}; {mend}")


def _conninfo(dsn: str, application_name: str) -> str:
    """Add what the connection string leaves open; its own values win."""
    try:
        given = conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # Without its cause: the parser's message may quote the password.
        msg = "XRAY_POSTGRES_DSN is no PostgreSQL connection string (postgresql://user:password@host:port/database)"
        raise Fatal(msg) from None
    options = f"{_SESSION} {given.get('options') or ''}".rstrip()
    return conninfo.make_conninfo(
        "", **(_DEFAULTS | {"application_name": application_name} | given | {"options": options})
    )
