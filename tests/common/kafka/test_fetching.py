"""kafka-python's consumer reads with `Batches`, and a poll is bounded. This is what an update of it may break."""

from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import CompletedFetch
from kafka.record import MemoryRecords

from services.common.kafka import clients, fetching
from services.common.kafka.batches import Unreadable
from services.common.settings import Settings
from tests.common.kafka.written import batch, renamed, values

WHERE = TopicPartition("xray.images", 0)


@pytest.fixture
def fetcher(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The fetcher of a consumer as the services open it, without a broker; partition 0 is assigned, at offset 0."""
    options: dict[str, Any] = {}

    class Offline(KafkaConsumer):  # type: ignore[misc]
        def __init__(self, **given: Any) -> None:
            options.update(given)
            super().__init__(**given, api_version=(4, 0))

    monkeypatch.setattr(clients, "KafkaConsumer", Offline)
    consumer = clients.open_consumer(Settings(kafka_bootstrap="127.0.0.1:1"))
    assert options["isolation_level"] == "read_committed"
    assert isinstance(consumer._fetcher, fetching.BoundedFetcher)
    consumer.assign([WHERE])
    consumer.seek(WHERE, 0)
    yield consumer._fetcher
    consumer.close(autocommit=False)


def completed(fetcher: Any, where: TopicPartition, data: bytes) -> None:
    """An answer of the broker has arrived."""
    answer = SimpleNamespace(
        error_code=0,
        high_watermark=99,
        records=data,
        aborted_transactions=None,
        diverging_epoch=None,
        preferred_read_replica=-1,
    )
    fetcher._completed_fetches.append(CompletedFetch(where, 0, 12, answer, None))


def fetched(fetcher: Any, data: bytes, max_records: int = 100) -> list[Any]:
    """What polls return of this answer of the broker, until nothing is left."""
    completed(fetcher, WHERE, data)
    polls: list[list[Any]] = []
    while (records := fetcher.fetched_records(max_records)[0]) and len(polls) < 50:
        polls.append(records[WHERE])
    return polls


def test_an_unreadable_record_does_not_stop_a_poll(fetcher: Any) -> None:
    bad = renamed(batch([(b"k", b"bad", [("name!", b"1")])], base=1), b"name!", b"nam\xff\xff")
    [records] = fetched(fetcher, batch(values(b"a"), codec="zstd") + bad + batch(values(b"b"), base=2))
    assert [one.offset for one in records] == [0, 1, 2]
    assert isinstance(records[1].value, Unreadable)
    assert fetcher._subscriptions.assignment[WHERE].position.offset == 3


def test_a_poll_ends_once_it_has_enough_bytes(fetcher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "POLL_BYTES", 1000)
    polls = fetched(fetcher, batch(values(*[b"x" * 400] * 8), codec="gzip"), max_records=5)
    assert [len(one) for one in polls] == [3, 3, 2]
    assert [record.offset for one in polls for record in one] == list(range(8))


def test_an_error_in_the_reader_itself_does_not_spin(fetcher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """kafka-python 3.0 asks an iterator that has failed for records for ever."""

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(fetching, "Batches", broken)
    with pytest.raises(ZeroDivisionError):
        fetched(fetcher, batch(values(b"a")))
    assert fetcher.fetched_records(5)[0] == {}


def test_the_data_of_an_answer_is_where_it_is_looked_for() -> None:
    assert bytes(MemoryRecords(b"data")._buffer) == b"data"


def test_a_resumed_partition_is_fetched_again_though_another_one_has_been_read_meanwhile(fetcher: Any) -> None:
    """kafka-python keeps what it has decoded of the paused partition, and then asks for nothing from it for ever."""
    other = TopicPartition("xray.images", 1)
    fetcher._subscriptions.assign_from_user([WHERE, other])
    for where in (WHERE, other):
        fetcher._subscriptions.seek(where, 0)
    assert len(fetched(fetcher, batch(values(b"a", b"b", b"c")), max_records=1)) == 3
    fetcher._subscriptions.seek(WHERE, 0)
    completed(fetcher, WHERE, batch(values(b"a", b"b", b"c")))
    fetcher.fetched_records(1)
    fetcher._subscriptions.pause(WHERE)
    completed(fetcher, other, batch(values(b"d")))
    assert [where for where, _ in fetcher.fetched_records(10)[0].items()] == [other]
    assert WHERE not in fetcher._fetchable_partitions()
    fetcher._subscriptions.resume(WHERE)
    fetcher.fetched_records(10)
    assert WHERE in fetcher._fetchable_partitions()
    assert fetcher._subscriptions.position(WHERE).offset == 1
