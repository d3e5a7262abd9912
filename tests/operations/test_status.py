import pytest
from kafka import TopicPartition

from services.cli.run import Service
from services.common.events.base import now
from services.common.loop.lag import Lag
from services.common.topology import SERVICES
from services.operations.status import _lag, _parked


def test_the_command_offers_the_services_of_the_table() -> None:
    assert tuple(service.value for service in Service if service is not Service.ALL) == SERVICES


def test_without_a_commit_lag_starts_at_the_oldest_kept_record() -> None:
    one, two, other = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)
    ends, beginnings = {one: 10, two: 10, other: 99}, {one: 4, two: 4, other: 0}
    assert _lag("t", {}, beginnings, ends) == 12
    assert _lag("t", {one: 10}, beginnings, ends) == 6
    assert _lag("t", {one: 10, two: 2}, beginnings, ends) == 6  # deleted records are not waiting
    assert _lag("t", {one: 10, two: -1}, beginnings, ends) == 6  # the broker's value for "nothing committed"


def test_parked_records_are_shown_with_the_time_of_the_next_attempt() -> None:
    waiting = _parked("xray.images.retry.1m", Lag(3, -40.0))
    assert (waiting.topic, waiting.records) == ("xray.images.retry.1m", 3)
    assert waiting.due_at is not None
    assert (waiting.due_at - now()).total_seconds() == pytest.approx(40, abs=2)
    assert _parked("xray.images.retry.1h", Lag(0, 0.0)).due_at is None
