"""What a Kafka record can do to a worker: a real intake on a real broker that holds records nobody should send."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaProducer, TopicPartition

from deploy.local.stack import Stack
from services.common.errors import Rejected
from services.common.events import ImageEvent, Rejection
from services.common.events.rejection import rejection_id
from services.common.kafka.clients import administrator, publisher, reader
from services.common.kafka.reading import identity_of, partitions_of, ranges_of, read
from services.common.loop.dead_letter import rejection_of
from services.common.loop.transport import RawRecord
from services.common.settings import Settings, settings_of
from services.common.store import ObjectStore
from services.common.topics import IMAGES, REJECTED
from services.operations.processes import Processes
from services.operations.provisioning import ensure_topics
from services.operations.replay import REPLAY_HEADER, replay
from tests.common.kafka.written import NotUtf8

pytestmark = pytest.mark.integration

BOMB_BYTES = 100_000_000
INTAKE_MIB = 400
"""An intake that has decoded nothing takes 230 MiB; a whole bomb would take three times its size more."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka and the object store, the only servers that intake needs."""
    stack = Stack(tmp_path_factory.mktemp("unreadable"), tied=True)
    stack.up(["kafka", "seaweedfs"])
    settings = settings_of(stack.environment())
    ensure_topics(settings)
    ObjectStore(settings).create_bucket()
    yield stack
    stack.down()


@pytest.fixture(scope="module")
def settings(servers: Stack) -> Settings:
    return settings_of(servers.environment())


@pytest.fixture(scope="module")
def intake(servers: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(["intake"], servers.environment(), tmp_path_factory.mktemp("logs")) as processes:
        processes.wait_ready()
        yield processes


def announcement(name: str) -> bytes:
    """A good event about a file that does not exist: handled, it becomes the rejection `object_missing`."""
    event = ImageEvent(
        biological_sample_id=name,
        centre="JAX",
        parameter_stable_id="IMPC_XRY_034_001",
        image_uri="s3://xray/originals/none",
    )
    return event.encode()


def rejected(settings: Settings) -> list[Rejection]:
    with reader(settings) as consumer:
        records = read(consumer, ranges_of(consumer, [REJECTED.name]))
        return [Rejection.model_validate_json(record.value) for record in records if record.value.startswith(b"{")]


def wait_for(settings: Settings, names: set[str], seconds: float = 30) -> list[Rejection]:
    """Wait until intake has handled these announcements."""
    deadline = time.monotonic() + seconds
    while True:
        found = rejected(settings)
        missing = names - {one.biological_sample_id for one in found}
        if not missing:
            return found
        assert time.monotonic() < deadline, f"not handled: {missing}"
        time.sleep(0.3)


def send(settings: Settings, values: list[bytes], headers: dict[int, list[Any]] | None = None, **options: Any) -> int:
    """Send records in one batch to partition 0; return the first offset."""
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        linger_ms=300,
        batch_size=1 << 28,
        max_request_size=1 << 28,
        **options,
    )
    with closing(producer):
        producer.partitions_for(IMAGES.name)
        futures = [
            producer.send(IMAGES.name, value, headers=(headers or {}).get(number), partition=0)
            for number, value in enumerate(values)
        ]
        offsets = [int(future.get(timeout=60).offset) for future in futures]
    assert offsets == list(range(offsets[0], offsets[0] + len(values)))
    return offsets[0]


async def _send_with(settings: Settings, codec: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, compression_type=codec)
    async with producer:
        await producer.send_and_wait(IMAGES.name, value, partition=0)


def resident_mib(pid: int, field: str = "VmHWM") -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def test_every_codec_of_a_producer_is_read(settings: Settings, intake: Processes) -> None:
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        asyncio.run(_send_with(settings, codec, announcement(f"codec-{codec}")))
    found = wait_for(settings, {f"codec-{codec}" for codec in ("gzip", "snappy", "lz4", "zstd")})
    assert {one.reason for one in found if (one.biological_sample_id or "").startswith("codec-")} == {"object_missing"}


@pytest.mark.parametrize("codec", [None, "gzip", "zstd"])
def test_an_unreadable_record_costs_only_itself(settings: Settings, intake: Processes, codec: str | None) -> None:
    """Good, bad and good records in one batch, and a batch before and after it."""
    names = [f"{codec}-{where}" for where in ("first", "before", "after", "last")]
    send(settings, [announcement(names[0])])
    values = [announcement(names[1]), announcement("unread"), announcement(names[2])]
    offset = send(settings, values, {1: [(NotUtf8("name"), b"1")]}, compression_type=codec)
    send(settings, [announcement(names[3])])
    found = wait_for(settings, set(names))
    bad = [one for one in found if one.reason == "record_unreadable" and one.source_offset == offset + 1]
    assert len(bad) == 1
    assert (bad[0].stage, bad[0].source_topic, bad[0].source_partition) == ("intake", IMAGES.name, 0)
    assert (bad[0].original, bad[0].original_key, bad[0].headers) == (None, None, ())
    assert bad[0].details == {"first_offset": offset + 1, "last_offset": offset + 1}
    assert "unread" not in {one.biological_sample_id for one in found}


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_bomb_neither_stops_intake_nor_takes_its_memory(settings: Settings, intake: Processes, codec: str) -> None:
    names = {f"bomb-{codec}-{where}" for where in ("before", "after")}
    before, after = sorted(names, reverse=True)
    values = [announcement(before), b"0" * BOMB_BYTES, announcement(after)]
    offset = send(settings, values, compression_type=codec, request_timeout_ms=60_000)
    found = wait_for(settings, names)
    assert [one.reason for one in found if one.source_offset == offset + 1] == ["record_unreadable"]
    assert resident_mib(intake.pid("intake")) < INTAKE_MIB
    assert intake.restart_crashed() == []


def test_records_of_an_aborted_transaction_are_not_read(settings: Settings, intake: Processes) -> None:
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, transactional_id="aborted")
    with closing(producer):
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(IMAGES.name, announcement("aborted"), partition=0).get(timeout=30)
        producer.abort_transaction()
    send(settings, [announcement("committed")])
    assert "aborted" not in {one.biological_sample_id for one in wait_for(settings, {"committed"})}


def test_a_record_that_its_rejection_leaves_out_is_replayed_byte_for_byte(settings: Settings) -> None:
    value = b"not JSON" + os.urandom(10 * 1024 * 1024)
    with publisher(settings) as producer:
        options = {"key": b"k", "headers": [("trace", b"1")], "partition": 1}
        sent = producer.send(REJECTED.name, value=value, **options).get(timeout=60)
    raw = RawRecord(REJECTED.name, 1, sent.offset, datetime.now(UTC), b"k", value, (("trace", b"1"),), "id")
    rejection = rejection_of("sink", raw, Rejected("json_invalid", "not JSON"), None)
    assert rejection.original is None
    assert list(replay(settings, [rejection])) == [rejection]
    with reader(settings) as consumer:
        found = [one for one in read(consumer, ranges_of(consumer, [REJECTED.name])) if one.value == value]
    assert [one.key for one in found] == [b"k", b"k"]
    again = next(one for one in found if (one.partition, one.offset) != (1, sent.offset))
    assert again.headers == [("trace", b"1"), (REPLAY_HEADER, rejection.rejection_id.encode())]
    with administrator(settings) as admin:
        admin.delete_records({TopicPartition(REJECTED.name, 1): sent.offset + 1})
    with pytest.raises(Rejected, match="no longer holds it"):
        list(replay(settings, [rejection]))


def test_the_id_of_a_rejection_comes_from_the_id_of_the_topic(settings: Settings, intake: Processes) -> None:
    found = rejected(settings)
    assert len({one.rejection_id for one in found}) == len({(one.source_partition, one.source_offset) for one in found})
    with reader(settings) as consumer:
        partitions_of(consumer, IMAGES.name)
        topic_id = consumer._cluster.topic_id(IMAGES.name)
        identity = identity_of(consumer, IMAGES.name)
    assert identity == str(topic_id)
    one = found[0]
    position = (one.source_topic, one.source_partition, one.source_offset)
    assert one.rejection_id == rejection_id("intake", identity, *position)


def test_a_broker_that_never_answers_delays_no_stop(servers: Stack, settings: Settings, intake: Processes) -> None:
    """The broker is stopped as a process is: its system accepts connections, and nobody answers."""
    broker = servers.servers["kafka"].process.pid()
    assert broker is not None
    send(settings, [announcement(f"flood-{number}") for number in range(150)])
    os.kill(broker, signal.SIGSTOP)
    try:
        started = time.monotonic()
        intake.stop()
        seconds = time.monotonic() - started
    finally:
        os.kill(broker, signal.SIGCONT)
    assert intake.exit_code("intake") == 0
    assert seconds < 25, f"stopped after {seconds:.1f} s"
    intake.start(["intake"])
    wait_for(settings, {f"flood-{number}" for number in range(150)})
