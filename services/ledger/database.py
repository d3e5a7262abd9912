"""Connections to PostgreSQL, queries with typed rows, and errors classified by what the caller should do.

Queries are never prepared on the server: only a plan for the actual values drops the conditions that are left open.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg import conninfo
from psycopg.rows import class_row, dict_row

from services.common.errors import Fatal, PipelineError, Rejected, Retriable
from services.common.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]
Row = TypeVar("Row")

_DEFAULTS: Final[dict[str, str | int]] = {
    "connect_timeout": 5,
    "client_encoding": "utf8",
    # A database host that disappears silently is detected within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# Kafka offsets are committed after a commit here, so it must be on disk. The time-outs release the locks of a worker
# that froze in the middle of a transaction.
_SESSION: Final = (
    "-c synchronous_commit=on -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
)
_VALUE_CLASSES: Final = ("22", "23", "54")
"""SQLSTATE classes of bad values: data exception, integrity constraint, program limit (PostgreSQL docs, appendix A)."""
_SETUP_CLASSES: Final = ("28", "3D", "3F", "42")
"""Invalid authorisation, no such database, no such schema, missing table or right."""
_SETUP_MESSAGES: Final = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "connection option",
    # TLS: an unknown authority, another host's certificate, or a server without it
    "certificate verify failed",
    "does not match host name",
    "does not support SSL",
)
"""A refused connection has no SQLSTATE (libpq), only the server's English message."""


def connect(dsn: str, application_name: str) -> Connection:
    """Connect in autocommit mode; timestamps are read in UTC.

    Raises Retriable when the database is away, Fatal when XRAY_POSTGRES_DSN is wrong.
    """
    with sorted_errors("connect"):
        return psycopg.connect(_conninfo(dsn, application_name), autocommit=True)


@contextmanager
def ledger(settings: Settings) -> Iterator[Connection]:
    """Connect to PostgreSQL; raises Retriable when it is away, Fatal when XRAY_POSTGRES_DSN is wrong."""
    with closing(connect(settings.postgres_dsn.get_secret_value(), "xray-cli")) as connection:
        yield connection


def rows(connection: Connection, row_type: type[Row], query: LiteralString, **values: Any) -> list[Row]:
    """Return all rows, each as a `row_type` whose fields are the query's columns."""
    with sorted_errors("read the ledger"), connection.cursor(row_factory=class_row(row_type)) as cursor:
        return cursor.execute(query, values, prepare=False).fetchall()


def mappings(connection: Connection, query: LiteralString, **values: Any) -> list[Mapping[str, Any]]:
    """Return all rows, each as a mapping from column to value."""
    with sorted_errors("read the ledger"), connection.cursor(row_factory=dict_row) as cursor:
        return [*cursor.execute(query, values, prepare=False)]


def is_value_error(error: psycopg.Error) -> bool:
    """Return whether the values of a row caused the error, so that the same row will fail again."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError)
    return error.sqlstate.startswith(_VALUE_CLASSES)


def not_storable(error: psycopg.Error) -> Rejected:
    """Return the rejection of a row that PostgreSQL cannot store."""
    message = error.diag.message_primary or str(error)
    return Rejected("not_storable", f"PostgreSQL cannot store the row: {message}"[:1000], sqlstate=error.sqlstate)


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
    message = error.diag.message_primary or str(error).strip()
    if error.sqlstate is None:
        wrong_setup = any(text in message for text in _SETUP_MESSAGES)
    else:
        wrong_setup = error.sqlstate.startswith(_SETUP_CLASSES)
    if not wrong_setup:
        kind = error.sqlstate or type(error).__name__
        return Retriable(f"PostgreSQL could not {what}: {message}", server="postgres", kind=kind)
    remedy = "run `xray init`" if error.sqlstate in {"42P01", "42703"} else "check XRAY_POSTGRES_DSN"
    return Fatal(f"PostgreSQL refused to {what}: {message}; {remedy}")


def _conninfo(dsn: str, application_name: str) -> str:
    """Add defaults for what the connection string does not set."""
    try:
        given = conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # Raised without its cause, because the parser's message may contain the password.
        msg = "XRAY_POSTGRES_DSN is not a PostgreSQL connection string (postgresql://user:password@host:port/database)"
        raise Fatal(msg) from None
    options = f"{_SESSION} {given.get('options') or ''}".rstrip()
    return conninfo.make_conninfo(
        "", **(_DEFAULTS | {"application_name": application_name} | given | {"options": options})
    )
