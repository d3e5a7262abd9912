"""When the next refresh is due: after a time, or once so many reviews have come in."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn

from rich.console import Console

from services.common.errors import Rejected, Retriable
from services.common.events.base import now
from services.common.settings import Settings
from services.ledger.database import connect
from services.ledger.queries import count_reviews

LOOK_SECONDS: Final = 30.0
"""Between two looks at clock and ledger."""


@dataclass(frozen=True)
class Schedule:
    """A refresh is due `every` so long after the last one began, or after so many reviews (None: whatever comes)."""

    every: timedelta
    after_labels: int | None

    def is_due(self, last: datetime | None, moment: datetime, reviews: Callable[[datetime], int]) -> bool:
        """Tell whether one is due; `reviews` counts those recorded since."""
        if last is None or moment - last >= self.every:
            return True
        return self.after_labels is not None and reviews(last) >= self.after_labels


def reviews_since(settings: Settings, since: datetime) -> int:
    """Count the reviews that the ledger recorded since; raises Retriable when PostgreSQL is away."""
    dsn = settings.postgres_dsn.get_secret_value()
    with closing(connect(dsn, "xray refresh")) as connection:
        return count_reviews(connection, since)


def watch(schedule: Schedule, settings: Settings, once: Callable[[], None], console: Console) -> NoReturn:
    """Refresh whenever it is due, until interrupted; what is refused or away is said, and tried when next due."""
    last: datetime | None = None
    while True:
        try:
            if schedule.is_due(last, now(), lambda since: reviews_since(settings, since)):
                started = now()
                once()
                last = started
        except Rejected as rejected:
            console.print(str(rejected), soft_wrap=True, markup=False)
            last = now()
        except Retriable as error:
            console.print(f"server away, tried again: {error}", soft_wrap=True, markup=False)
        time.sleep(LOOK_SECONDS)
