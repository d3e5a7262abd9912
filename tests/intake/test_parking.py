"""How long a record waits for its source, and what happens when its time is over."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.common.errors import Rejected, SourceUnavailable
from services.common.events import ImageEvent
from services.common.kafka.batches import RECORD_HEADERS
from services.common.loop import Done, Record
from services.common.loop.retries import retry_state
from services.common.topics import IMAGE_RETRIES, IMAGES
from services.intake.parking import LARGEST_BYTES, RetryPlan
from services.intake.shares import ShareUsed
from services.intake.sources import GuardedReader, SourcePaused
from tests.intake.test_sources import BAD, Hosts
from tests.ledger.examples import NOON, image, record

FAILED = SourceUnavailable("answered 503", source="https://h", server="https")
PAUSED = SourcePaused("answered 503; tried again in 9 s", source="https://h", server="https")
HEADERS = (("xray-recall", b"p2"),)


class World:
    """One record on its way through the retry topics, and the clock."""

    def __init__(self, hours: float = 24) -> None:
        self.now = NOON
        self.plan = RetryPlan(IMAGE_RETRIES, timedelta(hours=hours), lambda: self.now)
        event = image("m")
        self.record = Record(IMAGES.name, 3, 1207, NOON, b"m", event.encode(), HEADERS, event, None, "first")

    def park(self, error: SourceUnavailable) -> float:
        """Set the record aside and take it up again after the delay; returns the delay."""
        (message,) = parked(self.plan.outcome(self.record, error)).messages
        assert (message.key, message.value) == (self.record.key, self.record.value)
        state, headers = retry_state(message.headers)
        assert headers == HEADERS
        assert state is not None
        assert (state.topic, state.topic_id, state.partition, state.offset) == (IMAGES.name, "first", 3, 1207)
        assert state.timestamp == NOON
        self.record = Record(
            state.topic, state.partition, state.offset, NOON, b"m", message.value, headers, image("m"), state
        )
        self.now += timedelta(seconds=message.topic.delay_seconds)
        return message.topic.delay_seconds


def busy(wait: float) -> ShareUsed:
    return ShareUsed("slow", source="https://h", server="https", wait_seconds=wait)


def parked(outcome: Done) -> Done:
    assert outcome.parked is not None
    assert outcome.skipped is None
    return outcome


def test_a_record_waits_the_longer_the_longer_it_has_waited() -> None:
    world = World()
    delays: list[float] = []
    while world.now - NOON < timedelta(hours=24):
        delays.append(world.park(FAILED))
    with pytest.raises(Rejected, match="source_unavailable"):
        world.park(FAILED)
    assert delays[:15] == [60.0] * 10 + [600.0] * 5
    assert set(delays[15:]) == {3600.0}
    assert len(delays) < 45  # of 24 hours: a source that is away for long costs little


def test_at_the_end_of_its_time_it_is_rejected_with_what_has_happened() -> None:
    world = World(hours=0.05)
    for error in (FAILED, PAUSED, FAILED):
        assert world.park(error) == 60.0
    with pytest.raises(
        Rejected, match=r"source_unavailable: https://h did not answer for 0\.\d h: answered 503"
    ) as end:
        world.plan.outcome(world.record, FAILED)
    assert end.value.details == {
        "source": "https://h",
        "since": NOON.isoformat(),
        "attempts": 3,
        "last_error": "answered 503",
    }


def test_without_a_limit_nothing_waits() -> None:
    world = World(hours=0)
    with pytest.raises(Rejected, match="source_unavailable"):
        world.plan.outcome(world.record, FAILED)


def test_waiting_for_ones_turn_is_no_attempt_and_no_reason_for_a_rejection() -> None:
    world = World(hours=1)
    for wait, delay in ((0, 60), (59, 60), (600, 600), (599, 60), (3600, 3600), (10_000, 3600)):
        assert world.park(busy(wait)) == delay
    assert world.now - NOON > timedelta(hours=2)
    assert world.park(busy(0)) == 60.0
    assert world.record.retry is not None
    assert world.record.retry.attempts == 0


def test_a_record_that_is_too_large_to_wait_is_rejected_at_once() -> None:
    world = World()
    event = image("m", metadata={"note": "x" * LARGEST_BYTES})
    with pytest.raises(Rejected, match="too large to wait"):
        world.plan.outcome(record(event), FAILED)


def test_a_record_with_as_many_headers_as_can_be_read_is_rejected_at_once() -> None:
    world = World()
    most = tuple((f"h{number}", b"") for number in range(RECORD_HEADERS))
    with pytest.raises(Rejected, match="too large to wait"):
        world.plan.outcome(replace(world.record, headers=most), FAILED)
    assert parked(world.plan.outcome(replace(world.record, headers=most[1:]), FAILED))


def test_a_fast_clock_at_another_worker_does_no_harm() -> None:
    world = World()
    world.now += timedelta(minutes=9)
    world.park(FAILED)
    world.now = NOON
    assert world.park(FAILED) == 60.0


def test_every_record_of_a_slow_source_gets_its_turn() -> None:
    """200 images at 10 s each, which a source with a share of 20 s in a minute serves within two hours."""
    hosts = Hosts()
    hosts.seconds[BAD] = 10
    reader = GuardedReader(hosts, lambda: hosts.present)
    plan = RetryPlan(IMAGE_RETRIES, timedelta(hours=24), lambda: NOON + timedelta(seconds=hosts.present))
    waiting: list[tuple[float, Record[ImageEvent]]] = [(0.0, World().record) for _ in range(200)]
    rounds = 0
    while waiting:
        due = [one for at, one in waiting if at <= hosts.present]
        waiting = [(at, one) for at, one in waiting if at > hosts.present]
        waiting += again(reader, plan, hosts, due)
        rounds += len(due)
        hosts.present += 1
    assert hosts.attempts[BAD] == 200
    assert hosts.present < 3 * 3600
    assert rounds < 200 * 8  # few records come back before it is their turn


def again(
    reader: GuardedReader, plan: RetryPlan, hosts: Hosts, due: Iterable[Record[ImageEvent]]
) -> list[tuple[float, Record[ImageEvent]]]:
    """Handle these records as intake does; returns those that wait, with the time at which they are due."""
    waiting = []
    for one in due:
        try:
            reader.fetch(BAD)
        except SourceUnavailable as error:
            (message,) = plan.outcome(one, error).messages
            waiting.append((hosts.present + message.topic.delay_seconds, one))
    return waiting
