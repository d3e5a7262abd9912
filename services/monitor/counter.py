"""From a record to the counters of its window: the work of the monitor's agent."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from services.common.errors import Rejected
from services.common.events import Event, parse_event
from services.common.metrics.definitions import DONE, RECEIVED, SKIPPED
from services.common.topics import CALLS, IMAGES, REJECTED, VIEWS
from services.monitor import metrics
from services.monitor.counting import Windows, observe
from services.monitor.tables import Window, WindowTable

STAGE: Final = "monitor"
READS: Final[dict[str, type[Event]]] = {topic.name: topic.event for topic in (IMAGES, VIEWS, CALLS, REJECTED)}


class StatisticsCounter:
    """Counts records one by one and remembers which windows have grown."""

    def __init__(self, table: WindowTable, windows: Windows) -> None:
        """Start with no window grown."""
        self._table, self._windows = table, windows
        self._tidied: dict[int, int] = {}
        self.grown: set[Window] = set()
        """Windows with counts that may not be published yet."""

    def recovered(self) -> None:
        """Look at every window of the table again, after a start or a rebalance."""
        self.grown |= set(self._table.windows())

    def take(self, topic: str, partition: int, timestamp: float, value: bytes | None) -> None:
        """Count one record; must be called with its Faust event in hand."""
        RECEIVED.labels(STAGE, topic).inc()
        self._tidy(partition)
        cause = self._count(topic, partition, timestamp, value)
        if cause is None:
            DONE.labels(STAGE).inc()
        else:
            SKIPPED.labels(STAGE, cause).inc()

    def _count(self, topic: str, partition: int, timestamp: float, value: bytes | None) -> str | None:
        """Return why the record was left out, or None."""
        try:
            event = parse_event(READS[topic], value)
        except Rejected:
            return "refused_by_another_service"
        observation = observe(event, datetime.fromtimestamp(max(0.0, timestamp), UTC))
        start = self._windows.start_of(observation.moment)
        verdict = self._windows.judge(start, time.time())
        if verdict != "counts":
            return verdict
        if not self._table.add(partition, start, observation):
            return "duplicate"
        metrics.counted(observation)
        self.grown.add((start, observation.centre))
        return None

    def _tidy(self, partition: int) -> None:
        """Once a window, delete what has expired; only a record of the partition lets Faust's table be written."""
        before = self._windows.start_of(datetime.fromtimestamp(time.time() - self._windows.kept, UTC))
        if self._tidied.get(partition) != before:
            self._table.forget(partition, before)
            self._tidied[partition] = before
