"""Publishes what a recall has found, one record after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from services.common.topics import Topic
from services.operations.reprocess.pace import Pace
from services.operations.reprocess.source import Found

_ACKNOWLEDGED_SECONDS: Final = 60


class Publisher:
    """Publishes at its pace."""

    def __init__(self, producer: Any, topic: Topic, pace: Pace) -> None:
        """Prepare; `producer` is one of `services.common.kafka.clients.publisher`."""
        self._producer, self._topic, self._pace = producer, topic.name, pace

    def publish(self, found: Found, held: Callable[[int], None], overtaken: Callable[[], bool]) -> bool:
        """Return True once the broker has all records of a specimen, False when it was `overtaken` meanwhile.

        That is asked last, since live traffic may have come first for long; `held` is told so while it does.
        """
        for number, publication in enumerate(found.publications):
            self._pace.wait(held)
            if number == 0 and overtaken():
                return False
            key, value = publication.event.key.encode(), publication.event.encode()
            future = self._producer.send(self._topic, key=key, value=value, headers=list(publication.headers))
            future.get(timeout=_ACKNOWLEDGED_SECONDS)
        return True
