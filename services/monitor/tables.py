"""The monitor's Faust table: counters and identities of the windows that still take events.

One table holds both, so that its changelog keeps the order in which they were written. An identity is written before
the counters that it changes: a crash between the two loses a count, but never counts an event twice.

Windows are part of the key. Faust's own windows are not used: after a restart they forget what has to expire, they
close by the worker's clock even if records wait in the topics, and they give a callback no window.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from services.monitor.counting import EventObservation

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
