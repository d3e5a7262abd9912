"""Faust reads topics with the reader of batches of this system, and reads no aborted transactions."""

from types import SimpleNamespace
from typing import Any

import faust
from aiokafka.consumer import fetcher
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver

from services.common.kafka.batches import Unreadable
from services.monitor import client
from tests.common.kafka.written import batch, renamed, values


def read(data: bytes, topic: str) -> list[Any]:
    """Read the answer to a fetch as aiokafka does."""
    client.install(faust.App("test", broker="kafka://127.0.0.1:1"))
    records = fetcher.MemoryRecords(data)
    assert records.has_next()
    return list(fetcher.PartitionRecords(TopicPartition(topic, 0), records, [], 7, None, None, True, 1))


def test_an_unreadable_record_costs_only_itself() -> None:
    bad = renamed(batch([(b"k", b"bad", [("name!", b"1")])], base=8), b"name!", b"nam\xff\xff")
    data = batch(values(b"a"), base=7, codec="zstd") + bad + batch(values(b"b"), base=9, codec="snappy")
    found = read(data, "xray.images")
    assert [one.offset for one in found] == [7, 8, 9]
    assert [one.value for one in found if not isinstance(one.value, Unreadable)] == [b"a", b"b"]


def test_a_record_is_as_large_as_its_topic_allows() -> None:
    data = batch(values(b"0" * 2_000_000), base=7, codec="gzip")
    assert isinstance(read(data, "xray.images")[0].value, Unreadable)
    assert len(read(data, "xray.rejected")[0].value) == 2_000_000


def test_faust_reads_committed_records_only(monkeypatch: Any) -> None:
    app = client.install(faust.App("test", broker="kafka://127.0.0.1:1"))
    assert isinstance(app.transport, client.FaustTransport)
    made = SimpleNamespace(_isolation_level="read_uncommitted")
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_create_worker_consumer", lambda *_: made)
    thread = client._Thread.__new__(client._Thread)
    assert thread._create_worker_consumer(app.transport)._isolation_level == "read_committed"
