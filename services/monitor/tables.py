"""The monitor's Faust table: counters and identities of the windows that still take events.

One table for both, so that its changelog holds them in the order in which they were written. An identity is written
before the counters that it changes: whatever a crash cuts off, an event is never counted twice, only missed.

Windows are part of the key instead of Faust's own: those forget after a restart what is to expire, close by the
worker's clock whatever waits in the topics, and tell a callback no window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from services.monitor.counting import EventObservation

COUNTERS: Final = "n"
IDENTITY: Final = "i"
Window = tuple[int, str]
"""Start of a window and the centre."""


class WindowTable:
    """Reads and writes a Faust table. Writing needs an event of the partition in hand, as Faust's tables do."""

    def __init__(self, table: Any, partitions: int) -> None:
        """Wrap a table that is partitioned as its source topics are."""
        self._table, self._partitions = table, partitions

    def add(self, partition: int, start: int, observation: EventObservation) -> bool:
        """Count an event into its window; False when that window knows it already."""
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
        """Return a window's counters over all partitions."""
        start, centre = window
        total: Counter[str] = Counter()
        for partition in range(self._partitions):
            total.update(self._table.get(_key(partition, start, COUNTERS, centre)) or {})
        return total

    def windows(self) -> Iterator[Window]:
        """Yield every window that has counters, once a partition."""
        for key in self._table.keys():  # noqa: SIM118 - a Faust table is no plain mapping
            _, start, kind, name = key.split("|", 3)
            if kind == COUNTERS:
                yield int(start), name

    def forget(self, partition: int, before: int) -> None:
        """Delete what belongs to windows of a partition that begin before a moment."""
        old = [key for key in self._table.keys() if _is_old(key, partition, before)]  # noqa: SIM118
        for key in old:
            self._table.pop(key, None)


def _key(partition: int, start: int, kind: str, name: str) -> str:
    return f"{partition}|{start}|{kind}|{name}"


def _is_old(key: str, partition: int, before: int) -> bool:
    of, start, _ = key.split("|", 2)
    return int(of) == partition and int(start) < before
