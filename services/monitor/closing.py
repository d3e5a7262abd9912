"""Which windows are due, and their statistics in order of time.

`Recount` counts the records of the topics again: the same counts as the app's, without its table.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from services.common.errors import Rejected
from services.common.events import CallWithdrawal, CentreStatistics
from services.common.topology import MONITOR
from services.monitor.counting import Windows, observe, statistics
from services.monitor.drift import DriftRule, judged
from services.monitor.history import StatisticsHistory
from services.monitor.settings import MonitorSettings
from services.monitor.tables import Window


class Recount:
    """Counts records in any order; holds every identity in memory (about 150 bytes each)."""

    def __init__(self, windows: Windows) -> None:
        """Start with no window."""
        self._windows = windows
        self._known: set[tuple[int, str]] = set()
        self._counters: dict[Window, Counter[str]] = {}

    def add(self, topic: str, timestamp: float, value: bytes | None) -> None:
        """Count a record of a topic that the monitor reads; `timestamp` is Unix time. Unreadable ones are left out."""
        try:
            event = MONITOR.parse(topic, value)
        except Rejected:
            return
        if isinstance(event, CallWithdrawal):
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


def due(
    windows: Iterable[Window],
    counters: Callable[[Window], Mapping[str, int]],
    history: StatisticsHistory,
    settings: MonitorSettings,
    counting_since: float,
) -> Iterator[CentreStatistics]:
    """Yield the statistics of each window that counts more events than were published for it.

    Counts can only be too low (a crash, late events), so the larger count is the better one, and a partial count never
    replaces a complete one. A window that began before `counting_since` (Unix time) is `interrupted`. The oldest comes
    first, because a window's reference is the centre's earlier ones. Each enters the history when the next one is
    requested, so publish it before.
    """
    rule = DriftRule(settings.monitor_least_count, settings.monitor_least_shift)
    for start, centre in sorted(windows):
        window = statistics(centre, start, settings.monitor_window_seconds, counters((start, centre)))
        if window.total > history.total(centre, start):
            reference = history.before(centre, start, settings.monitor_reference_windows)
            window = judged(window, reference, rule).model_copy(update={"interrupted": start < counting_since})
            yield window
            history.add(window)
