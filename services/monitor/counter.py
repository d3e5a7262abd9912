"""Adds a record to the counters of its window: the work of the monitor's agent."""

import time
from datetime import UTC, datetime

from services.common.errors import Rejected
from services.common.events import CallWithdrawal
from services.common.metrics.definitions import DONE, RECEIVED, SKIPPED
from services.common.topology import MONITOR
from services.monitor import metrics
from services.monitor.counting import Windows, observe
from services.monitor.tables import Window, WindowTable


class StatisticsCounter:
    """Counts records one by one and records which windows have grown."""

    def __init__(self, table: WindowTable, windows: Windows) -> None:
        """Start with no window grown."""
        self._table, self._windows = table, windows
        self._tidied: dict[int, int] = {}
        self.grown: set[Window] = set()
        """Windows whose counts may not be published yet."""

    def recovered(self) -> None:
        """Check every window of the table again, after a start or a rebalance."""
        self.grown |= set(self._table.windows())

    def take(self, topic: str, partition: int, timestamp: float, value: bytes | None) -> None:
        """Count one record; must be called while Faust processes its event."""
        RECEIVED.labels(MONITOR.name, topic).inc()
        self._tidy(partition)
        cause = self._count(topic, partition, timestamp, value)
        if cause is None:
            DONE.labels(MONITOR.name).inc()
        else:
            SKIPPED.labels(MONITOR.name, cause).inc()

    def _count(self, topic: str, partition: int, timestamp: float, value: bytes | None) -> str | None:
        """Return why the record was left out, or None."""
        try:
            event = MONITOR.parse(topic, value)
        except Rejected:
            return "refused_by_another_service"
        if isinstance(event, CallWithdrawal):
            return "call_withdrawn"
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
        """Once per window, delete what has expired; Faust's table can be written only while it processes a record."""
        before = self._windows.start_of(datetime.fromtimestamp(time.time() - self._windows.kept, UTC))
        if self._tidied.get(partition) != before:
            self._table.forget(partition, before)
            self._tidied[partition] = before
