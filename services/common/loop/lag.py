"""How far a consumer group is behind: in records, and in seconds by their timestamps.

A separate client asks the broker for the offsets that the whole group has committed. So the numbers stay correct while
the loop waits for a server or works on a long batch, and the loop spends no time on them.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog

from services.common import metrics
from services.common.errors import PipelineError
from services.common.kafka.clients import open_consumer
from services.common.kafka.errors import translated
from services.common.kafka.reading import partitions_of, position_of, topics_of
from services.common.settings import ServiceSettings

log = structlog.get_logger()

SAMPLE_SECONDS: Final = 10.0
_PEEK_SECONDS: Final = 5.0
_PEEK_BYTES: Final = 64 * 1024
"""Of a partition's first batch of records; a larger first batch is sent whole."""


@dataclass(frozen=True)
class Lag:
    """The lag on one topic: records after the committed offsets, and the age of the oldest of them in seconds.

    On a retry topic the age begins when that record becomes due; until then it is negative.
    """

    records: int
    seconds: float


class LagGauge:
    """Asks the broker about one group; joins no group and commits nothing. Not thread-safe."""

    def __init__(
        self, settings: ServiceSettings, group: str, topics: Sequence[str], delays: Mapping[str, float] | None = None
    ) -> None:
        """Connect; raises Retriable when no broker answers, Fatal when it refuses.

        `topics` are names or patterns that begin with ^, `delays` the seconds of each retry topic.
        """
        self._topics, self._delays = topics, delays or {}
        self._consumer: Any = open_consumer(
            settings,
            group_id=settings.group_prefix + group,
            client_id=f"{group}-lag",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_PEEK_BYTES,
            max_poll_records=1,
            fetch_max_wait_ms=100,
        )

    def measure(self) -> dict[str, Lag]:
        """Return the lag by topic; raises Retriable when the broker is away, Fatal when a topic does not exist."""
        with translated("measure the lag"):
            return self._measure()

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close(autocommit=False, timeout_ms=1_000)

    def _measure(self) -> dict[str, Lag]:
        topics = topics_of(self._consumer, self._topics)
        partitions = [where for topic in topics for where in partitions_of(self._consumer, topic)]
        ends: Mapping[Any, int] = self._consumer.end_offsets(partitions)
        # Assign them again, so that the positions are those that the group has committed by now.
        self._consumer.unsubscribe()
        self._consumer.assign(partitions)
        waiting = {where: max(0, ends[where] - position_of(self._consumer, where)) for where in partitions}
        oldest = self._oldest([where for where, count in waiting.items() if count])
        return {
            topic: Lag(
                sum(count for where, count in waiting.items() if where.topic == topic),
                self._age([at for where, at in oldest.items() if where.topic == topic], self._delays.get(topic, 0.0)),
            )
            for topic in topics
        }

    @staticmethod
    def _age(oldest: Sequence[float], delay: float) -> float:
        """Return the seconds since the first of these times plus the delay; 0 without any time."""
        return max(0.0, time.time() - min(oldest)) - delay if oldest else 0.0

    def _oldest(self, waiting: Sequence[Any]) -> dict[Any, float]:
        """Return the timestamp (Unix time) of the first record that waits in each partition."""
        found: dict[Any, float] = {}
        self._consumer.pause(*(self._consumer.assignment() - set(waiting)))
        deadline = time.monotonic() + _PEEK_SECONDS
        while len(found) < len(waiting) and time.monotonic() < deadline:
            for where, records in self._consumer.poll(timeout_ms=500).items():
                found.setdefault(where, records[0].timestamp / 1000)
                self._consumer.pause(where)
        return found


@contextmanager
def lag_exported(
    settings: ServiceSettings, stage: str, topics: Sequence[str], delays: Mapping[str, float] | None = None
) -> Iterator[None]:
    """Keep the lag gauges of `stage` up to date in a thread until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(
        target=_export, args=(settings, stage, topics, delays or {}, stop), name="lag", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=2)


def _export(
    settings: ServiceSettings, stage: str, topics: Sequence[str], delays: Mapping[str, float], stop: threading.Event
) -> None:
    gauge: LagGauge | None = None
    while True:
        try:
            gauge = gauge or LagGauge(settings, stage, topics, delays)
            for topic, lag in gauge.measure().items():
                metrics.lag(stage, topic, lag.records, max(0.0, lag.seconds))
        except PipelineError as error:
            # Also when Kafka refuses: then the loop stops the process, with the same message.
            log.warning("lag not measured", why=str(error))
            if gauge is not None:
                gauge.close()
            gauge = None
        if stop.wait(SAMPLE_SECONDS):
            break
    if gauge is not None:
        gauge.close()
