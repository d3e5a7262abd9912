"""The monitor's Faust table, and the agent's work on it: each record is counted into its window.

The table holds the counters and the identities of the windows that still take events. One table holds both, so that its
changelog keeps the order in which they were written. An identity is written before the counters that it changes: a
crash between the two loses a count, but never counts an event twice.

Windows are part of the key. Faust's own windows are not used: after a restart they forget what has to expire, they
close by the worker's clock even if records wait in the topics, and they give a callback no window.
"""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from services.common.errors import Rejected
from services.common.events import CallWithdrawal
from services.common.metrics.definitions import DONE, RECEIVED, SKIPPED
from services.common.topology import MONITOR
from services.monitor import metrics
from services.monitor.counting import EventObservation, Windows, observe

COUNTERS: Final = "n"
IDENTITY: Final = "i"
Window = tuple[int, str]
"""Start of a window and the centre."""


class WindowTable:
    """Reads and writes a Faust table. Faust allows writing only while it processes an event of the partition."""

    def __init__(self, table: Any, partitions: int) -> None:
        """Wrap a table that is partitioned like its source topics."""
        self._table, self._partitions = table, partitions

    def add(self, partition: int, start: int, observation: EventObservation) -> bool:
        """Count an event into its window; return False if the window has counted it before."""
        identity = _key(partition, start, IDENTITY, observation.identity)
        if identity in self._table:
            return False
        self._table[identity] = 1
        key = _key(partition, start, COUNTERS, observation.centre)
        counters = Counter(self._table.get(key) or {})
        counters.update(observation.adds)
        self._table[key] = dict(counters)
        return True

    def counters(self, window: Window) -> Counter[str]:
        """Return a window's counters, summed over all partitions."""
        start, centre = window
        total: Counter[str] = Counter()
        for partition in range(self._partitions):
            total.update(self._table.get(_key(partition, start, COUNTERS, centre)) or {})
        return total

    def windows(self) -> Iterator[Window]:
        """Yield every window that has counters, once per partition."""
        for key in self._table.keys():  # noqa: SIM118 - a Faust table is not a plain mapping
            _, start, kind, name = key.split("|", 3)
            if kind == COUNTERS:
                yield int(start), name

    def forget(self, partition: int, before: int) -> None:
        """Delete everything that belongs to windows of a partition that begin before a moment."""
        old = [key for key in self._table.keys() if _is_old(key, partition, before)]  # noqa: SIM118
        for key in old:
            self._table.pop(key, None)


def _key(partition: int, start: int, kind: str, name: str) -> str:
    return f"{partition}|{start}|{kind}|{name}"


def _is_old(key: str, partition: int, before: int) -> bool:
    of, start, _ = key.split("|", 2)
    return int(of) == partition and int(start) < before


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
