"""The windows published so far on `centre.statistics`: the reference of later ones, and what needs no publishing."""

from collections.abc import Iterator

from services.common.errors import Rejected
from services.common.events import CentreStatistics, parse_event
from services.common.kafka.reading import TopicFollower
from services.common.settings import Settings
from services.common.topics import STATISTICS


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
