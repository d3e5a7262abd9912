"""Which windows are due, and their events in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from services.common.events import CentreStatistics
from services.monitor.counting.statistics import statistics
from services.monitor.drift.judge import Rule, judged
from services.monitor.history import History
from services.monitor.settings import MonitorSettings
from services.monitor.tables import Window


def due(
    windows: Iterable[Window],
    counters: Callable[[Window], Mapping[str, int]],
    history: History,
    settings: MonitorSettings,
    counting_since: float,
) -> Iterator[CentreStatistics]:
    """Yield the statistics of each window that counts more than was published of it.

    Counts only ever fall short (a crash, late events), so the larger count is the truer one, and a partial one never
    replaces a whole one. A window that began before `counting_since` (Unix time) is `interrupted`. Oldest first,
    because a window's reference is the centre's earlier ones; each enters the history when the next one is asked for,
    so publish it before.
    """
    rule = Rule(settings.monitor_least_count, settings.monitor_least_shift)
    for start, centre in sorted(windows):
        window = statistics(centre, start, settings.monitor_window_seconds, counters((start, centre)))
        if window.total > history.total(centre, start):
            reference = history.before(centre, start, settings.monitor_reference_windows)
            window = judged(window, reference, rule).model_copy(update={"interrupted": start < counting_since})
            yield window
            history.add(window)
