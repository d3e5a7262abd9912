"""The windows published so far, as `centre.statistics` holds them: the reference, and what is already said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from services.common.errors import Rejected, Retriable
from services.common.events import CentreStatistics, parse_event
from services.common.kafka.reading import position_of
from services.common.settings import Settings
from services.common.topics import STATISTICS

_READ_SECONDS: Final = 60.0


class StatisticsHistory:
    """Reads `centre.statistics` whole at first, then whatever is new at each `refresh`; not thread-safe."""

    def __init__(self, settings: Settings, length: int, windows: int) -> None:
        """Keep each centre's newest `windows` windows of `length` seconds; those of another length are left out."""
        self._settings, self._length, self._windows = settings, length, windows
        self._consumer: Any = None
        self._where = TopicPartition(STATISTICS.name, 0)
        self._of_centre: dict[str, dict[int, CentreStatistics]] = {}

    def refresh(self) -> None:
        """Read to the present end of the topic; raises Retriable when Kafka is away."""
        try:
            if self._consumer is None:
                self._consumer = self._connected()
            end = self._consumer.end_offsets([self._where])[self._where]
            deadline = time.monotonic() + _READ_SECONDS
            while position_of(self._consumer, self._where) < end:
                self._read()
                if time.monotonic() > deadline:
                    msg = f"could not read {STATISTICS.name} to its end in {_READ_SECONDS:.0f} s"
                    raise Retriable(msg, server="kafka", kind="slow_read")
        except KafkaError as error:
            msg = f"could not read {STATISTICS.name}: {error!r}"
            raise Retriable(msg, server="kafka", kind=type(error).__name__) from error

    def total(self, centre: str, start: int) -> int:
        """Return how many events the published statistics of a window count; 0 if none were published."""
        window = self._of_centre.get(centre, {}).get(start)
        return 0 if window is None else window.total

    def before(self, centre: str, start: int, windows: int) -> list[CentreStatistics]:
        """Return the centre's newest windows that begin before `start`, oldest first."""
        earlier = self._of_centre.get(centre, {})
        return [earlier[one] for one in sorted(earlier) if one < start][-windows:]

    def is_newest(self, window: CentreStatistics) -> bool:
        """Tell whether no later window of its centre was published."""
        return max(self._of_centre.get(window.centre, {}), default=0) <= window.window_start.timestamp()

    def newest(self) -> Iterator[CentreStatistics]:
        """Yield each centre's newest window."""
        for windows in self._of_centre.values():
            yield windows[max(windows)]

    def add(self, window: CentreStatistics) -> None:
        """Take a window in, replacing an earlier record of it."""
        start = int(window.window_start.timestamp())
        if int(window.window_end.timestamp()) - start != self._length:
            return
        windows = self._of_centre.setdefault(window.centre, {})
        windows[start] = window
        for old in sorted(windows)[: -self._windows]:
            del windows[old]

    def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            self._consumer.close()

    def _connected(self) -> Any:
        consumer = KafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap.split(","),
            enable_auto_commit=False,
            allow_auto_create_topics=False,
        )
        consumer.assign([self._where])
        consumer.seek_to_beginning(self._where)
        return consumer

    def _read(self) -> None:
        for records in self._consumer.poll(timeout_ms=500).values():
            for record in records:
                try:
                    self.add(parse_event(CentreStatistics, record.value))
                except Rejected:
                    continue  # a tombstone, or a record of a newer schema
