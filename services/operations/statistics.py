"""Counts every window anew from the topics and publishes those that were counted short."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from services.common.events import CentreStatistics
from services.common.kafka.clients import publisher, reader
from services.common.kafka.reading import ranges_of, read
from services.common.topics import STATISTICS
from services.common.topology import MONITOR
from services.monitor.closing import Recount, due
from services.monitor.history import StatisticsHistory
from services.monitor.settings import MonitorSettings

ALL_WINDOWS = 1_000_000


def recompute(settings: MonitorSettings) -> list[CentreStatistics]:
    """Return what was published: closed windows of which the topics hold more than `centre.statistics` says.

    Doing it again publishes nothing. Raises Fatal when a topic is missing, Retriable when Kafka is away.
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
    """Yield topic, Unix time and value of every record that the topics hold now."""
    with reader(settings) as consumer:
        for record in read(consumer, ranges_of(consumer, list(MONITOR.events))):
            yield record.topic, record.timestamp / 1000, record.value
