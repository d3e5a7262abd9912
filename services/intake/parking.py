"""Decides how long a record waits whose source does not answer or is slow, and when it becomes a rejection."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from services.common.errors import Rejected, SourceUnavailable
from services.common.events import ImageEvent
from services.common.events.base import now
from services.common.kafka.batches import RECORD_HEADERS
from services.common.loop import Done, Message, Record, RetryState
from services.common.loop.retries import LONGEST_ERROR
from services.common.topics import Topic
from services.intake.shares import ShareUsed
from services.intake.sources import SourcePaused

LARGEST_BYTES: Final = 1 << 20
"""Of key, value and headers together: with the retry header, the record still fits into every retry topic."""


class RetryPlan:
    """Puts a record on the retry topic whose delay suits the time for which it has waited already.

    So a short failure costs a minute, and a long one does not make the record go round all the time.
    """

    def __init__(self, topics: Sequence[Topic], limit: timedelta, now: Callable[[], datetime] = now) -> None:
        """Use these retry topics, the one with the shortest delay first, for `limit` after the first failure."""
        self._topics, self._limit, self._now = tuple(topics), limit, now

    def outcome(self, record: Record[ImageEvent], error: SourceUnavailable) -> Done:
        """Return the record as a message to a retry topic.

        Raises Rejected(`source_unavailable`) when its time is over. A record that only waits for its turn, because
        its source is slow or its centre's images take long to decode, is not rejected: each will have been tried.
        """
        present = self._now()
        state = _state(record, error, present)
        age = state.age_seconds(present)
        busy = isinstance(error, ShareUsed)
        if not busy and age >= self._limit.total_seconds():
            raise _rejected(state, error, f"{error.source} did not answer for {age / 3600:.1f} h: {state.error}")
        if not _can_wait(record):
            raise _rejected(state, error, f"{error}, and the record is too large to wait")
        wait = error.wait_seconds if isinstance(error, ShareUsed) else age
        topic = max((one for one in self._topics if one.delay_seconds <= wait), key=_delay, default=self._topics[0])
        message = Message(topic, record.event, state.added_to(record.headers), record)
        return Done((message,), parked=error)


def _state(record: Record[ImageEvent], error: SourceUnavailable, present: datetime) -> RetryState:
    before = record.retry or RetryState(
        topic=record.topic,
        topic_id=record.topic_id,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        since=present,
        error=str(error)[:LONGEST_ERROR],
    )
    if isinstance(error, (SourcePaused, ShareUsed)):
        return before
    return before.attempted(str(error))


def _rejected(state: RetryState, error: SourceUnavailable, message: str) -> Rejected:
    return Rejected(
        "source_unavailable",
        message,
        source=error.source,
        since=state.since.isoformat(),
        attempts=state.attempts,
        last_error=state.error,
    )


def _can_wait(record: Record[ImageEvent]) -> bool:
    """Whether the record can be read from a retry topic with one more header."""
    headers = sum(len(name.encode()) + len(value) for name, value in record.headers)
    size = len(record.key or b"") + len(record.value or b"") + headers
    return size <= LARGEST_BYTES and len(record.headers) < RECORD_HEADERS


def _delay(topic: Topic) -> float:
    return topic.delay_seconds
