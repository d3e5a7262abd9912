"""Up to which moment the monitor has counted everything."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from services.monitor import app
from services.monitor.app import Progress

WHERE = TopicPartition("xray.images", 0)


class Consumer:
    """One partition with this end, of which Faust has fetched everything before `position`."""

    def __init__(self, end: int, position: int) -> None:
        self.end, self.fetched = end, position

    def assignment(self) -> set[TopicPartition]:
        return {WHERE}

    async def highwaters(self, *_: TopicPartition) -> dict[TopicPartition, int]:
        return {WHERE: self.end}

    async def position(self, _: TopicPartition) -> int:
        return self.fetched


def watermark(end: int, position: int, counted: int, seconds_ago: float, monkeypatch: pytest.MonkeyPatch) -> float:
    """The watermark at the moment 1000, when the last of `counted` records had the timestamp 10."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(app, "time", SimpleNamespace(monotonic=lambda: clock.now))
    application: Any = SimpleNamespace(consumer=Consumer(end, position))
    progress = Progress(application, 1)
    if counted:
        message = SimpleNamespace(topic=WHERE.topic, partition=WHERE.partition, offset=counted - 1, timestamp=10.0)
        progress.note(message)
    clock.now = seconds_ago
    return asyncio.run(progress.watermark(1000.0))


# Offsets: the topic's end, what Faust has fetched, what is counted.
@pytest.mark.parametrize(
    ("offsets", "seconds_ago", "expected"),
    [
        ((5, 5, 5), 0.0, 1000.0),  # everything is counted
        ((5, 5, 4), 0.0, 10.0),  # a fetched record may wait to be counted
        ((5, 5, 4), 60.0, 1000.0),  # it was the marker of a transaction
        ((9, 5, 5), 60.0, 10.0),  # records wait on the broker
        ((9, 5, 4), 60.0, 10.0),
        ((5, 5, 0), 0.0, 1000.0),  # read before a restart
        ((5, 4, 0), 0.0, 0.0),
    ],
)
def test_a_backlog_holds_the_watermark_back_and_the_end_of_a_transaction_does_not(
    offsets: tuple[int, int, int], seconds_ago: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watermark(*offsets, seconds_ago, monkeypatch) == expected
