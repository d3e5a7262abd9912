"""Advisory locks in the ledger's database, each held by one session: the server frees a lock when its holder dies.

The holder of a lock in object storage would need a deadline instead: clocks that agree, a heartbeat next to the work,
and a wait after a kill.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import psycopg

from services.common.errors import Retriable
from services.ledger.database import Connection, sorted_errors

_KEEP_ALIVE: Final = ("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3")
"""The server notices after half a minute that the machine of a holder has vanished."""
_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.25
"""Between attempts: the server needs a moment to notice that a killed holder is gone."""
_HOLDER: Final = """
select activity.application_name, activity.backend_start
from pg_locks lock join pg_stat_activity activity using (pid)
where lock.locktype = 'advisory' and lock.granted
  and (lock.classid::bigint << 32 | lock.objid::bigint) = %s
"""


@dataclass(frozen=True)
class LockHolder:
    """The session that holds a lock: the application's name and when it connected (UTC)."""

    application_name: str
    connected_since: datetime


def wait_for_lock(connection: Connection, name: str) -> None:
    """Take a lock, however long another session holds it; raises Retriable when PostgreSQL is away.

    `name` has at most seven ASCII characters.
    """
    with sorted_errors(f"wait for the lock {name!r}"):
        connection.execute(
            "set statement_timeout = 0"
        )  # connections have one of a minute (services/ledger/database.py)
        connection.execute("select pg_advisory_lock(%s)", [_key(name)])
        connection.execute("reset statement_timeout")


def try_lock(connection: Connection, name: str) -> bool:
    """Take a lock unless another session holds it for the next five seconds; return whether it was taken.

    Raises Retriable when PostgreSQL is away.
    """
    with sorted_errors(f"take the lock {name!r}"):
        for setting in _KEEP_ALIVE:
            connection.execute(f"set {setting}".encode())
        for _ in range(_ATTEMPTS):
            row = connection.execute("select pg_try_advisory_lock(%s)", [_key(name)]).fetchone()
            if row is not None and row[0]:
                return True
            time.sleep(_PAUSE_SECONDS)
    return False


def lock_holder(connection: Connection, name: str) -> LockHolder | None:
    """Return the session that holds a lock, None when none does; raises Retriable when PostgreSQL is away."""
    with sorted_errors(f"find the holder of the lock {name!r}"):
        row = connection.execute(_HOLDER, [_key(name)]).fetchone()
    return None if row is None else LockHolder(*row)


def confirm_session(connection: Connection) -> None:
    """Raise Retriable if the session, and with it its locks, is gone."""
    try:
        connection.execute("select 1")
    except psycopg.Error as error:
        message = f"the session with PostgreSQL and its locks are lost: {error}"
        raise Retriable(message, server="postgres", kind=type(error).__name__) from error


def _key(name: str) -> int:
    return int.from_bytes(name.encode("ascii"), "big")
