"""Which windows are due, and their statistics in order of time.

`StatisticsHistory` reads the windows published so far: they are the reference of later ones, and show what needs no
publishing. `Recount` counts the records of the topics again: the same counts as the app's, without its table.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from services.common.errors import Rejected
from services.common.events import CallWithdrawal, CentreStatistics, parse_event
from services.common.kafka.reading import TopicFollower
from services.common.settings import Settings
from services.common.topics import STATISTICS
from services.common.topology import MONITOR
from services.monitor.counting import Windows, observe, statistics
from services.monitor.drift import DriftRule, judged
from services.monitor.settings import MonitorSettings
from services.monitor.tables import Window


class StatisticsHistory:
    """Reads all of `centre.statistics` at first, then what is new at each `refresh`; not thread-safe."""

    def __init__(self, settings: Settings, length: int, windows: int) -> None:
        """Keep each centre's newest `windows` windows of `length` seconds; windows of another length are left out."""
        self._length, self._windows = length, windows
        self._topic = TopicFollower(settings, STATISTICS.name)
        self._of_centre: dict[str, dict[int, CentreStatistics]] = {}

    def refresh(self) -> None:
        """Read to the present end of the topic; raises Retriable when Kafka is away, Fatal when it is missing."""
        for record in self._topic.read():
            try:
                self.add(parse_event(CentreStatistics, record.value))
            except Rejected:
                continue  # a tombstone, or a record of a newer schema

    def total(self, centre: str, start: int) -> int:
        """Return how many events the published statistics of a window count; 0 if none were published."""
        window = self._of_centre.get(centre, {}).get(start)
        return 0 if window is None else window.total

    def before(self, centre: str, start: int, windows: int) -> list[CentreStatistics]:
        """Return the centre's newest windows that begin before `start`, oldest first."""
        earlier = self._of_centre.get(centre, {})
        return [earlier[one] for one in sorted(earlier) if one < start][-windows:]

    def is_newest(self, window: CentreStatistics) -> bool:
        """Return whether no later window of its centre was published."""
        return max(self._of_centre.get(window.centre, {}), default=0) <= window.window_start.timestamp()

    def newest(self) -> Iterator[CentreStatistics]:
        """Yield each centre's newest window."""
        for windows in self._of_centre.values():
            yield windows[max(windows)]

    def add(self, window: CentreStatistics) -> None:
        """Add a window, replacing an earlier record of it."""
        start = int(window.window_start.timestamp())
        if int(window.window_end.timestamp()) - start != self._length:
            return
        windows = self._of_centre.setdefault(window.centre, {})
        windows[start] = window
        for old in sorted(windows)[: -self._windows]:
            del windows[old]

    def close(self) -> None:
        """Disconnect."""
        self._topic.close()


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
