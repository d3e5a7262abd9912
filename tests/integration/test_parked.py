"""Two centres on a real broker and a real store: the host of one hangs, and the other does not notice."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
import trustme

from deploy.local.stack import Stack
from services.common.events import ImageEvent, ViewReady, parse_event
from services.common.identity import image_event_id, log_fields
from services.common.kafka.clients import publisher, reader
from services.common.kafka.reading import ranges_of, read
from services.common.loop import BatchLoop
from services.common.loop.transport import KafkaTransport
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore
from services.common.topics import IMAGE_RETRIES, IMAGES, VIEWS
from services.common.topology import INTAKE
from services.intake.decoder.process import DecoderPool
from services.intake.fetch import Fetcher
from services.intake.parking import RetryPlan
from services.intake.service import Intake
from services.intake.settings import IntakeSettings, Limits
from services.intake.sources import GuardedReader
from services.operations.provisioning import ensure_topics
from services.operations.reconcile.snapshot import take
from services.operations.status import parked_records, topics_and_services
from tests.intake.files import encoded, exposure, grey

pytestmark = pytest.mark.integration

IMAGES_OF_BAD = 70
DELAYS = (1.0, 2.0, 3.0)
"""Of the retry topics, instead of a minute, ten minutes and an hour."""
FASTER = 10
"""The clock of the pauses between two attempts at a source."""
PICTURE = encoded(grey(exposure("DV")), ".png")


class HangingHost(ThreadingTCPServer):
    """A host that accepts connections and never answers; once `healthy` is set, it serves one picture by HTTPS."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.healthy, self.ended = threading.Event(), threading.Event()
        self.connections = 0
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(self.tls)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_address[1]}"


class _Connection(BaseRequestHandler):
    server: HangingHost

    def handle(self) -> None:
        self.server.connections += 1
        if not self.server.healthy.is_set():
            self.server.ended.wait(60)
            return
        with suppress(OSError), self.server.tls.wrap_socket(self.request, server_side=True) as connection:
            connection.recv(1 << 16)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(PICTURE)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + PICTURE)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka and SeaweedFS, the only servers that intake needs."""
    stack = Stack(tmp_path_factory.mktemp("parked"), tied=True)
    stack.up(["kafka", "seaweedfs"])
    yield stack
    stack.down()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HangingHost]:
    with HangingHost(tmp_path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.ended.set()
        server.shutdown()


@pytest.fixture
def settings(servers: Stack, host: HangingHost) -> IntakeSettings:
    values = {name.removeprefix("XRAY_").lower(): value for name, value in servers.environment().items()}
    allowed = {
        "https_hosts": host.url.removeprefix("https://"),
        "private_hosts": "localhost",
        "https_ca_file": str(host.ca_file),
        "https_seconds": 3,
    }
    settings = IntakeSettings.model_validate(values | allowed | {"partitions": 4})
    ensure_topics(settings)
    ObjectStore(settings).create_bucket()
    return settings


@contextmanager
def running(settings: IntakeSettings) -> Iterator[None]:
    """Intake in a thread, with short delays."""
    retries = tuple(replace(one, delay_seconds=seconds) for one, seconds in zip(IMAGE_RETRIES, DELAYS, strict=True))
    store = ObjectStore(settings)
    fast = GuardedReader(Fetcher(store, settings, Limits().most_bytes), lambda: FASTER * time.monotonic())
    decoder, plan = DecoderPool(INTAKE.name, Limits(), settings.workers), RetryPlan(retries, timedelta(hours=1))
    intake = Intake(store, fast, decoder, Limits(), plan, workers=settings.workers)
    intake.topics = replace(INTAKE, inputs=(IMAGES, *retries))
    names, stop = [topic.name for topic in intake.topics.inputs], threading.Event()
    with (
        closing(KafkaTransport(settings, intake.stage, names, stop, intake.topics.delays)) as transport,
        closing(intake),
    ):
        intake.start()
        transport.subscribe(intake.topics.required)
        loop = BatchLoop(intake, transport, stop, log_fields=log_fields, image_event_id=image_event_id)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive()


def announced(specimen: str, centre: str, uri: str) -> ImageEvent:
    return ImageEvent(
        biological_sample_id=specimen, centre=centre, parameter_stable_id="IMPC_XRY_034_001", image_uri=uri
    )


def publish(settings: ServiceSettings, events: list[ImageEvent]) -> None:
    """Announce on one partition, in this order."""
    with publisher(settings) as producer:
        sent = [producer.send(IMAGES.name, key=one.key.encode(), value=one.encode(), partition=0) for one in events]
        for future in sent:
            future.get(timeout=30)


def records(settings: ServiceSettings, topic: str) -> list[Any]:
    with reader(settings) as consumer:
        return list(read(consumer, ranges_of(consumer, [topic])))


def views(settings: ServiceSettings, centre: str) -> list[ViewReady]:
    found = [parse_event(ViewReady, record.value) for record in records(settings, VIEWS.name)]
    return [view for view in found if view.centre == centre]


def waiting(settings: ServiceSettings) -> int:
    return sum(one.records for one in parked_records(settings, [topic.name for topic in IMAGE_RETRIES]))


def wait(seconds: float, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_every_record_of_a_retry_topic_comes_after_its_delay_and_other_topics_do_not_wait(
    settings: IntakeSettings,
) -> None:
    """More records than fit into one poll in each partition: kafka-python then has decoded records that it keeps."""
    own = [replace(topic, name=f"delays.{topic.name}") for topic in (*IMAGE_RETRIES, VIEWS)]
    ensure_topics(settings, own)
    delay, live_topic, retries = 3.0, own[-1].name, [topic.name for topic in own[:-1]]
    expected = {(topic, partition): list(range(100)) for topic in retries for partition in range(settings.partitions)}
    found: dict[tuple[str, int], list[int]] = {where: [] for where in expected}
    live = 0
    with (
        publisher(settings) as producer,
        closing(
            KafkaTransport(settings, "delays", [*retries, live_topic], delays=dict.fromkeys(retries, delay))
        ) as transport,
    ):
        transport.subscribe(retries)
        wait(30, lambda: transport.poll(0.1) == [] and transport.assigned > 0)
        for topic, partition in [*list(expected) * 100, *[(live_topic, 0)] * 100]:
            producer.send(topic, value=b"x", partition=partition)
        producer.flush()
        deadline = time.monotonic() + 30
        while found != expected:
            assert time.monotonic() < deadline
            for record in transport.poll(0.1):
                if record.topic == live_topic:
                    live += 1
                    continue
                assert time.time() >= record.timestamp.timestamp() + delay
                found[record.topic, record.partition].append(record.offset)
            if live == 100:  # once: a server that is away for a moment
                live += 1
                transport.hold(0.1, [])
                transport.release()
    assert live == 101


def test_a_host_that_hangs_delays_only_its_own_images_until_it_answers(
    settings: IntakeSettings, host: HangingHost
) -> None:
    store = ObjectStore(settings)
    store.put("incoming/good.png", PICTURE)
    bad = [announced(f"bad {number}", "BAD", f"{host.url}/{number}.png") for number in range(IMAGES_OF_BAD)]
    publish(settings, [*bad, announced("good", "GOOD", f"s3://{store.bucket}/incoming/good.png")])
    with running(settings):
        began = time.monotonic()
        wait(40, lambda: len(views(settings, "GOOD")) == 1)
        assert host.connections <= 4
        wait(30, lambda: waiting(settings) == IMAGES_OF_BAD)
        assert time.monotonic() - began < 60
        assert views(settings, "BAD") == []
        _, services = topics_and_services(settings)
        assert next(one.lag for one in services if one.name == "intake") == {IMAGES.name: 0}
        host.healthy.set()
        host.ended.set()
        wait(60, lambda: len(views(settings, "BAD")) >= IMAGES_OF_BAD)
        wait(30, lambda: waiting(settings) == 0)
    assert {view.image_event_id for view in views(settings, "BAD")} == {one.event_id for one in bad}
    first = {record.key.decode(): record.timestamp for record in records(settings, IMAGES.name)}
    for view in views(settings, "BAD"):  # not the time of a later attempt
        assert round(view.announced_at.timestamp() * 1000) == first[view.biological_sample_id]


def test_parked_images_are_neither_missing_nor_in_flight(settings: IntakeSettings, host: HangingHost) -> None:
    bad = [announced(f"parked {number}", "BAD", f"{host.url}/{number}.png") for number in range(5)]
    publish(settings, bad)
    with running(settings):
        wait(40, lambda: waiting(settings) == len(bad))
    assert take(settings).in_flight.parked == {one.event_id for one in bad}
