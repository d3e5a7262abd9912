"""When a refresh runs: after an interval or a number of new reviews, and only one at a time.

A lease in the database that the labels come from allows one refresh. It is freed when its holder dies (see
services/ledger/locks.py).
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn

from services.common.errors import Rejected, Retriable
from services.common.events.base import now
from services.common.settings import Settings
from services.ledger.database import Connection, connect
from services.ledger.locks import confirm_session, lock_holder, try_lock
from services.ledger.queries import count_reviews

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


CHECK_SECONDS: Final = 30.0
"""Interval between two checks of clock and ledger."""


@dataclass(frozen=True)
class Schedule:
    """A refresh is due `every` interval after the last one began, or after `after_labels` reviews (None: never)."""

    every: timedelta
    after_labels: int | None

    def is_due(self, last: datetime | None, moment: datetime, reviews: Callable[[datetime], int]) -> bool:
        """Return whether a refresh is due; `reviews` counts the reviews recorded since a time."""
        if last is None or moment - last >= self.every:
            return True
        return self.after_labels is not None and reviews(last) >= self.after_labels


def reviews_since(settings: Settings, since: datetime) -> int:
    """Count the reviews that the ledger recorded since; raises Retriable if PostgreSQL is away."""
    dsn = settings.postgres_dsn.get_secret_value()
    with closing(connect(dsn, "xray refresh")) as connection:
        return count_reviews(connection, since)


def watch(
    schedule: Schedule, settings: Settings, once: Callable[[], None], on_message: Callable[[str], None]
) -> NoReturn:
    """Call `once` whenever a refresh is due, until interrupted.

    After Rejected it waits until the next is due; after Retriable it tries again. `on_message` receives both.
    """
    last: datetime | None = None
    while True:
        try:
            if schedule.is_due(last, now(), lambda since: reviews_since(settings, since)):
                started = now()
                once()
                last = started
        except Rejected as rejected:
            on_message(str(rejected))
            last = now()
        except Retriable as error:
            on_message(f"server away, trying again: {error}")
        time.sleep(CHECK_SECONDS)
