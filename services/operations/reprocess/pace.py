"""Keeps a recall behind live traffic: so many records a second, and none while its reader has work waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from kafka.errors import KafkaError

from services.common.errors import Retriable
from services.common.loop.lag import LagGauge
from services.common.settings import ServiceSettings
from services.common.topics import Topic

MOST_WAITING: Final = 64
"""Unread records above which a recall waits: two batches, so that a live record waits for no more than these."""
_LOOK_SECONDS: Final = 1.0


class Pace:
    """Asked before every record."""

    def __init__(self, settings: ServiceSettings, reader: str, topic: Topic, rate: float) -> None:
        """Watch the group `reader` on `topic`; raises Retriable when the broker is away."""
        self._interval, self._topic = 1 / rate, topic.name
        self._next = self._look_at = 0.0
        try:
            self._lag = LagGauge(settings, reader, (topic.name,))
        except KafkaError as error:
            raise _away(error) from error

    def wait(self, held: Callable[[int], None]) -> None:
        """Return when the next record may go; `held` is told how many records wait, again and again while they do."""
        while time.monotonic() >= self._look_at:
            waiting = self._waiting()
            self._look_at = time.monotonic() + _LOOK_SECONDS
            if waiting <= MOST_WAITING:
                break
            held(waiting)
            time.sleep(_LOOK_SECONDS)
        turn = max(self._next, time.monotonic())
        self._next = turn + self._interval
        time.sleep(max(0.0, turn - time.monotonic()))

    def close(self) -> None:
        """Disconnect."""
        self._lag.close()

    def _waiting(self) -> int:
        try:
            return self._lag.measure()[self._topic].records
        except KafkaError as error:
            raise _away(error) from error


def _away(error: KafkaError) -> Retriable:
    msg = f"Kafka away, could not tell what waits (XRAY_KAFKA_BOOTSTRAP): {error!r}"
    return Retriable(msg, server="kafka", kind=type(error).__name__)
