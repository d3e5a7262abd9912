"""One refresh at a time: a lease that is freed when its holder dies (see services/ledger/locks.py).

The database that the labels come from holds it.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from services.common.errors import Rejected, Retriable
from services.common.settings import Settings
from services.ledger.database import Connection, connect
from services.ledger.locks import confirm_session, lock_holder, try_lock

_LOCK: Final = "refresh"


class Lease:
    """A lease that this process holds; call `confirm` before any effect that others would see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def confirm(self) -> None:
        """Raise Retriable if the lease is lost."""
        try:
            confirm_session(self._connection)
        except Retriable as error:
            message = f"the refresh lost its lease ({error}); the next one continues from here"
            raise Retriable(message, server=error.server, kind=error.kind) from error


@contextmanager
def leased(settings: Settings) -> Iterator[Lease]:
    """Hold the lease; raises Rejected(`refresh_running`) if another holds it, Retriable if PostgreSQL is away."""
    name = f"xray refresh {socket.gethostname()}:{os.getpid()}"
    with connect(settings.postgres_dsn.get_secret_value(), name) as connection:
        if not try_lock(connection, _LOCK):
            raise _running(connection)
        yield Lease(connection)


def _running(connection: Connection) -> Rejected:
    holder = lock_holder(connection, _LOCK)
    who = (
        "another session"
        if holder is None
        else f"{holder.application_name}, connected since {holder.connected_since:%Y-%m-%d %H:%M:%S} UTC"
    )
    return Rejected("refresh_running", f"a refresh is already running ({who}): wait for it or stop it, then try again")
