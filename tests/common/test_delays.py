"""Retry topics in the transport: no record before its time, and no other partition waits for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition

from services.common.loop import transport as transport_module
from services.common.loop.delays import DelayedPartitions
from services.common.loop.transport import KafkaTransport, PartitionsLostError, RawRecord
from services.common.settings import ServiceSettings
from tests.common.kafka.consumers import MemoryConsumer, StoredRecord

LIVE, RETRY = TopicPartition("live", 0), TopicPartition("retry", 0)
DELAY = 60.0


@dataclass(frozen=True)
class AppendedRecord(StoredRecord):
    """A record with the broker's timestamp in milliseconds."""

    timestamp: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Clock:
    """Wall clock and monotonic clock, which start at different times."""

    present: float = 1000.0
    skew: float = 0.0

    def now(self) -> float:
        return self.present + self.skew

    def monotonic(self) -> float:
        return self.present - 900


@dataclass
class World:
    """A transport on consumers and clocks in memory, with a live topic and a retry topic."""

    clock: Clock = field(default_factory=Clock)
    consumer: MemoryConsumer = field(default_factory=lambda: MemoryConsumer({LIVE: [], RETRY: []}))

    def __post_init__(self) -> None:
        self.consumer.assign([LIVE, RETRY])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transport_module, "open_consumer", lambda *_, **__: self.consumer)
            patch.setattr(transport_module, "open_producer", lambda *_, **__: None)
            self.transport = KafkaTransport(ServiceSettings(), "test", ["live", "retry"], delays={"retry": DELAY})
        self.transport._delays = DelayedPartitions(
            self.consumer, {"retry": DELAY}, now=self.clock.now, monotonic=self.clock.monotonic
        )

    def append(self, where: TopicPartition, at: float | None = None) -> None:
        records = self.consumer.stored[where]
        timestamp = round((self.clock.present if at is None else at) * 1000)
        records.append(AppendedRecord(where.topic, where.partition, len(records), timestamp=timestamp))

    def poll(self) -> list[tuple[str, int]]:
        return [(one.topic, one.offset) for one in self.transport.poll(0)]


@pytest.fixture
def world() -> World:
    return World()


def test_a_record_waits_for_its_delay_and_the_live_topic_does_not(world: World) -> None:
    world.append(RETRY)
    world.append(LIVE)
    assert world.poll() == [("live", 0)]
    world.clock.present += DELAY - 1
    world.append(LIVE)
    assert world.poll() == [("live", 1)]
    world.clock.present += 1
    assert world.poll() == [("retry", 0)]
    assert world.consumer.paused() == set()


def test_the_records_that_are_due_are_delivered_and_those_behind_them_wait(world: World) -> None:
    world.append(RETRY)
    world.clock.present += 50
    world.append(RETRY)
    world.clock.present += 10
    assert world.poll() == [("retry", 0)]
    assert world.poll() == []
    world.clock.present += 50
    assert world.poll() == [("retry", 1)]


def test_holding_for_a_server_does_not_end_the_wait(world: World) -> None:
    world.append(RETRY)
    world.append(LIVE)
    assert world.poll() == [("live", 0)]
    world.transport.hold(0, [("live", 0)])
    assert world.consumer.paused() == {LIVE, RETRY}
    world.transport.release()
    assert world.consumer.paused() == {RETRY}
    world.append(LIVE)
    assert world.poll() == [("live", 1)]
    world.clock.present += DELAY
    assert world.poll() == [("retry", 0)]


def test_a_record_that_becomes_due_while_a_server_is_away_is_delivered_afterwards(world: World) -> None:
    world.append(RETRY)
    assert world.poll() == []
    world.clock.present += DELAY
    world.transport.hold(0, [])
    world.transport.release()
    assert world.poll() == [("retry", 0)]


def test_a_batch_that_is_given_back_is_delivered_again_at_once(world: World) -> None:
    world.append(RETRY)
    world.clock.present += DELAY
    world.append(RETRY)
    assert world.poll() == [("retry", 0)]
    world.transport.rewind({("retry", 0): 0})
    assert world.poll() == [("retry", 0)]


def test_a_partition_that_was_lost_is_not_resumed(world: World) -> None:
    world.append(RETRY)
    assert world.poll() == []
    del world.consumer.positions[RETRY]
    world.clock.present += DELAY
    assert world.poll() == []
    with pytest.raises(PartitionsLostError):
        world.transport.hold(0, [("retry", 0)])


def test_a_partition_that_was_assigned_again_waits_again(world: World) -> None:
    world.append(RETRY)
    assert world.poll() == []
    world.consumer.assign([LIVE, RETRY])  # as after a rebalance: not paused, at the committed offset
    assert world.poll() == []
    world.clock.present += DELAY
    assert world.poll() == [("retry", 0)]


def test_a_broker_with_a_fast_clock_delays_a_record_by_no_more_than_its_delay(world: World) -> None:
    world.append(RETRY, at=world.clock.present + 86_400)
    assert world.poll() == []
    world.clock.present += DELAY
    world.clock.skew = 86_400
    assert world.poll() == [("retry", 0)]


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["append", "live", "poll", "hold", "back"])), max_size=40))
def test_whatever_happens_nothing_comes_early_or_is_left_behind(steps: Sequence[tuple[float, str]]) -> None:
    world = World()
    delivered: list[RawRecord] = []

    def polled() -> Iterator[RawRecord]:
        for one in world.transport.poll(0):
            if one.topic == "retry":
                assert world.clock.present >= one.timestamp.timestamp() + DELAY - 0.01
            yield one

    for seconds, step in steps:
        world.clock.present += seconds
        if step in ("append", "live"):
            world.append(RETRY if step == "append" else LIVE)
        elif step == "hold":
            world.transport.hold(0, [])
            world.transport.release()
        elif step == "back" and delivered:
            back = delivered[-1]
            world.transport.rewind({(back.topic, back.partition): back.offset})
            delivered = [one for one in delivered if one.topic != back.topic or one.offset < back.offset]
        else:
            delivered += polled()
            assert LIVE not in world.consumer.paused()
    world.clock.present += DELAY + 1
    for _ in range(2 * len(steps) + 2):
        delivered += polled()
    for where in (LIVE, RETRY):
        assert [one.offset for one in delivered if one.topic == where.topic] == list(
            range(len(world.consumer.stored[where]))
        )
