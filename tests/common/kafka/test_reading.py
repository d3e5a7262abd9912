"""Reading topics without a broker: unknown positions and topics, ranges, and following a topic."""

from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, KafkaError, TopicAuthorizationFailedError

from services.common.errors import Fatal, Retriable
from services.common.kafka import reading
from services.common.kafka.batches import Unreadable
from services.common.kafka.reading import OffsetRange, TopicFollower, partitions_of, position_of, ranges_of, read
from services.common.settings import Settings
from tests.common.kafka.consumers import MemoryConsumer, StoredRecord, stored

WHERE = TopicPartition("xray.images", 3)


class Late(MemoryConsumer):
    """A consumer whose broker learns of its topics only after the first request."""

    asked = 0

    def partitions_for_topic(self, topic: str) -> set[int]:
        self.asked += 1
        return super().partitions_for_topic(topic) if self.asked > 1 else set()


def test_a_known_position_is_returned_also_the_first() -> None:
    assert [position_of(MemoryConsumer(positions={WHERE: known}), WHERE) for known in (0, 7)] == [0, 7]


def test_an_unknown_position_is_an_error_that_services_wait_out() -> None:
    with pytest.raises(KafkaError, match=r"position in xray\.images 3 in time"):
        position_of(MemoryConsumer(unknown=1), WHERE)


def test_a_topic_that_the_broker_learns_of_a_moment_later_is_not_missing() -> None:
    assert [where.partition for where in partitions_of(Late(stored("a", 0, ())), "a")] == [0]
    assert list(ranges_of(Late(stored("a", 0, ())), ["a"])) == [TopicPartition("a", 0)]


def test_partitions_come_in_order() -> None:
    consumer = MemoryConsumer(
        stored("xray.images", 2, ()) | stored("xray.images", 0, ()) | stored("xray.images", 1, ())
    )
    assert [where.partition for where in partitions_of(consumer, "xray.images")] == [0, 1, 2]


def test_an_unknown_topic_is_an_error_that_names_the_remedy() -> None:
    with pytest.raises(Fatal, match=r"topic xray\.images does not exist; run `xray init`"):
        partitions_of(MemoryConsumer(), "xray.images")
    with pytest.raises(Fatal, match=r"topics xray\.images, xray\.views do not exist; run `xray init`"):
        ranges_of(MemoryConsumer(stored("a", 0, ())), ["xray.views", "a", "xray.images"])


def test_only_the_records_of_the_range_are_read() -> None:
    consumer = MemoryConsumer(stored("a", 0, range(2, 9)) | stored("a", 1, (4, 5)))
    ranges = {TopicPartition("a", 0): OffsetRange(3, 6), TopicPartition("a", 1): OffsetRange(0, 0)}
    assert [record.offset for record in read(consumer, ranges)] == [3, 4, 5]


def test_all_records_of_topics_are_read_despite_gaps_from_compaction() -> None:
    consumer = MemoryConsumer(stored("a", 0, (2, 5, 9)) | stored("b", 0, (0,)) | stored("b", 1, ()))
    found = [(record.topic, record.offset) for record in read(consumer, ranges_of(consumer, ["a", "b"]))]
    assert sorted(found) == [("a", 2), ("a", 5), ("a", 9), ("b", 0)]


def test_a_position_that_is_not_known_yet_ends_a_read_as_retriable(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = MemoryConsumer(stored("a", 0, (0, 1)))
    follower = followed(monkeypatch, [consumer])
    consumer.unknown = 1
    with pytest.raises(Retriable, match="position in a 0 in time"):
        list(follower.read())


def test_a_silent_broker_is_retriable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_SILENT_SECONDS", -1.0)
    consumer = MemoryConsumer(stored("a", 0, (0, 1)), poll_records=0)
    with pytest.raises(Retriable, match="no record of a/0") as caught:
        list(read(consumer, ranges_of(consumer, ["a"])))
    assert (caught.value.server, caught.value.kind) == ("kafka", "slow_read")


def test_a_slow_caller_is_not_a_silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("services.common.kafka.reading.time.monotonic", lambda: clock[0])
    consumer = MemoryConsumer(stored("a", 0, range(6)))
    found = []
    for record in read(consumer, ranges_of(consumer, ["a"])):
        found.append(record.offset)
        clock[0] += 100
    assert found == [0, 1, 2, 3, 4, 5]


def followed(monkeypatch: pytest.MonkeyPatch, consumers: list[MemoryConsumer]) -> TopicFollower:
    monkeypatch.setattr(reading, "open_consumer", lambda settings, **options: consumers.pop(0))
    return TopicFollower(Settings(), "a")


def test_a_topic_is_followed_from_its_beginning_to_each_new_end(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = MemoryConsumer(stored("a", 0, (3, 4, 5)))
    follower = followed(monkeypatch, [consumer])
    assert [record.offset for record in follower.read()] == [3, 4, 5]
    assert list(follower.read()) == []
    consumer.stored[TopicPartition("a", 0)] += [StoredRecord("a", 0, 6), StoredRecord("a", 0, 7)]
    assert [record.offset for record in follower.read()] == [6, 7]
    follower.close()
    assert consumer.closed


def test_a_record_written_after_the_end_was_asked_for_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = MemoryConsumer(stored("a", 0, (0, 1)), poll_records=10)
    follower = followed(monkeypatch, [consumer])
    records = follower.read()
    monkeypatch.setattr(consumer, "end_offsets", lambda partitions: {TopicPartition("a", 0): 1})
    assert [record.offset for record in records] == [0, 1]


@pytest.mark.parametrize(
    ("error", "expected"), [(KafkaConnectionError("away"), Retriable), (TopicAuthorizationFailedError(), Fatal)]
)
def test_after_an_error_the_topic_is_read_from_the_beginning(
    monkeypatch: pytest.MonkeyPatch, error: KafkaError, expected: type[Exception]
) -> None:
    first, second = MemoryConsumer(stored("a", 0, (0, 1, 2))), MemoryConsumer(stored("a", 0, (0, 1, 2)))

    def fail(timeout_ms: int, max_records: int) -> Any:
        raise error

    monkeypatch.setattr(first, "poll", fail)
    follower = followed(monkeypatch, [first, second])
    with pytest.raises(expected, match="read a"):
        list(follower.read())
    assert first.closed
    assert [record.offset for record in follower.read()] == [0, 1, 2]


def test_following_a_missing_topic_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Fatal, match="topic a does not exist; run `xray init`"):
        list(followed(monkeypatch, [MemoryConsumer()]).read())


def test_records_that_cannot_be_read_are_left_out_unless_they_are_kept() -> None:
    records = (StoredRecord("a", 0, 0, b"1"), StoredRecord("a", 0, 1, Unreadable(1, "broken")))
    consumer, where = MemoryConsumer({TopicPartition("a", 0): list(records)}), TopicPartition("a", 0)
    assert [one.offset for one in read(consumer, {where: OffsetRange(0, 2)})] == [0]
    assert [one.offset for one in read(consumer, {where: OffsetRange(0, 2)}, keep_unreadable=True)] == [0, 1]
