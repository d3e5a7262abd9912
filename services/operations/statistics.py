"""The windows of `centre.statistics`: the closed ones, when the next one closes, and a recount from the topics."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from services.common.events import CentreStatistics
from services.common.kafka.clients import publisher, reader
from services.common.kafka.reading import ranges_of, read
from services.common.topics import STATISTICS
from services.common.topology import MONITOR
from services.monitor.closing import Recount, StatisticsHistory, due
from services.monitor.settings import MonitorSettings

ALL_WINDOWS = 1_000_000


def closed_windows(settings: MonitorSettings, last: int) -> dict[str, list[CentreStatistics]]:
    """Return the `last` published windows of each centre, oldest first; raises Retriable when Kafka is unreachable."""
    with closing(StatisticsHistory(settings, settings.monitor_window_seconds, ALL_WINDOWS)) as history:
        history.refresh()
        return {
            one.centre: history.before(one.centre, int(one.window_end.timestamp()), last) for one in history.newest()
        }


def next_close(settings: MonitorSettings) -> datetime:
    """Return when the first window that is still open will be closed and published."""
    windows, now = settings.windows(), time.time()
    # Windows begin at multiples of their length; one stays open for the grace after its end.
    start = int((now - windows.grace) // windows.length) * windows.length
    return datetime.fromtimestamp(start + windows.length + windows.grace, UTC)


def recompute(settings: MonitorSettings) -> list[CentreStatistics]:
    """Count all closed windows again, publish those that had been counted short, and return these.

    A second run publishes nothing. Raises Fatal when a topic is missing, Retriable when Kafka is unreachable.
    """
    recount = Recount(settings.windows())
    for topic, timestamp, value in _records(settings):
        recount.add(topic, timestamp, value)
    with (
        closing(StatisticsHistory(settings, settings.monitor_window_seconds, ALL_WINDOWS)) as history,
        publisher(settings) as producer,
    ):
        history.refresh()
        return list(_published(producer, due(recount.closed(time.time()), recount.counters, history, settings, 0.0)))


def _published(producer: Any, windows: Iterator[CentreStatistics]) -> Iterator[CentreStatistics]:
    for window in windows:
        producer.send(STATISTICS.name, key=window.key.encode(), value=window.encode()).get(timeout=60)
        yield window


def _records(settings: MonitorSettings) -> Iterator[tuple[str, float, bytes | None]]:
    """Yield topic, Unix time and value of every record that is in the topics now."""
    with reader(settings) as consumer:
        for record in read(consumer, ranges_of(consumer, list(MONITOR.inputs_by_name))):
            yield record.topic, record.timestamp / 1000, record.value
