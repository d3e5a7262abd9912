"""When the next refresh is due: after an interval, or after a number of new reviews."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn

from services.common.errors import Rejected, Retriable
from services.common.events.base import now
from services.common.settings import Settings
from services.ledger.database import connect
from services.ledger.queries import count_reviews

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
