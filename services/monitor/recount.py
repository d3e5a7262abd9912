"""Counting anew from the topics: the same counts as the app's, without its table."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from services.common.errors import Rejected
from services.common.events import parse_event
from services.monitor.counter import READS
from services.monitor.counting.observe import observe
from services.monitor.counting.windows import Windows
from services.monitor.tables import Window


class Recount:
    """Counts records in any order; holds every identity in memory (some 150 bytes each)."""

    def __init__(self, windows: Windows) -> None:
        """Start with no window."""
        self._windows = windows
        self._known: set[tuple[int, str]] = set()
        self._counters: dict[Window, Counter[str]] = {}

    def add(self, topic: str, timestamp: float, value: bytes | None) -> None:
        """Count a record of a topic that the monitor reads; `timestamp` is Unix time. Unreadable ones are left out."""
        try:
            event = parse_event(READS[topic], value)
        except Rejected:
            return
        observation = observe(event, datetime.fromtimestamp(max(0.0, timestamp), UTC))
        start = self._windows.start_of(observation.moment)
        if (start, observation.identity) not in self._known:
            self._known.add((start, observation.identity))
            self._counters.setdefault((start, observation.centre), Counter()).update(observation.adds)

    def closed(self, now: float) -> list[Window]:
        """Return the windows whose end and grace are past."""
        return [window for window in self._counters if self._windows.closed(window[0], now)]

    def counters(self, window: Window) -> Counter[str]:
        """Return a window's counters."""
        return self._counters[window]
