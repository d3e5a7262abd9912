"""One refresh at a time: a lease that is released when its holder dies.

Decision: an advisory lock of a PostgreSQL session, in the database that the labels come from. The server releases it as
soon as the holder's process is killed, and half a minute after its machine is lost. A lease in object storage would
need a deadline instead: synchronised clocks, a heartbeat during the training, and a wait after a kill.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from services.common.errors import Rejected, Retriable
from services.common.settings import Settings
from services.ledger.database import Connection, connect, sorted_errors

_KEY: Final = int.from_bytes(b"refresh", "big")
_TRIES: Final = 20
_PAUSE: Final = 0.25
"""Seconds between tries: a server needs a moment to notice that a holder was killed."""
_KEEP_ALIVE: Final = ("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3")
_HOLDER: Final = """
select activity.application_name, activity.backend_start
from pg_locks lock join pg_stat_activity activity using (pid)
where lock.locktype = 'advisory' and lock.granted
  and (lock.classid::bigint << 32 | lock.objid::bigint) = %s
"""


class Lease:
    """A held lease; call `confirm` before any change that is visible to others."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def confirm(self) -> None:
        """Raise Retriable if the session, and with it the lease, is lost."""
        try:
            self._connection.execute("select 1")
        except psycopg.Error as error:
            msg = f"the refresh lost its lease with the PostgreSQL session ({error}); the next one continues from here"
            raise Retriable(msg, server="postgres", kind=type(error).__name__) from error


@contextmanager
def leased(settings: Settings) -> Iterator[Lease]:
    """Hold the lease; raises Rejected(`refresh_running`) if another holds it, Retriable if PostgreSQL is away."""
    name = f"xray refresh {socket.gethostname()}:{os.getpid()}"
    with connect(settings.postgres_dsn.get_secret_value(), name) as connection:
        with sorted_errors("take the lease of the refresh"):
            for setting in _KEEP_ALIVE:
                connection.execute(f"set {setting}".encode())
            _take(connection)
        yield Lease(connection)


def _take(connection: Connection) -> None:
    for _ in range(_TRIES):
        row = connection.execute("select pg_try_advisory_lock(%s)", [_KEY]).fetchone()
        if row is not None and row[0]:
            return
        time.sleep(_PAUSE)
    holder = connection.execute(_HOLDER, [_KEY]).fetchone()
    who = f"{holder[0]}, connected since {holder[1]:%Y-%m-%d %H:%M:%S} UTC" if holder else "another session"
    raise Rejected("refresh_running", f"a refresh is already running ({who}): wait for it or stop it, then try again")
