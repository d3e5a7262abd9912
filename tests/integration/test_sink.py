"""The sink on a real broker and a real database that becomes unavailable while it works."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from deploy.local.stack import Stack
from services.common.events import Event
from services.common.identity import image_event_id, log_fields
from services.common.loop import BatchLoop, Message
from services.common.loop.transport import KafkaTransport
from services.common.settings import ServiceSettings
from services.common.topics import CALLS, IMAGES, REJECTED, VIEWS
from services.ledger import queries, writer
from services.ledger.database import connect
from services.ledger.migrate import migrate
from services.operations.provisioning import ensure_topics
from services.operations.status import topics_and_services
from services.sink.service import build
from tests.ledger.examples import call, image, rejection, view

pytestmark = pytest.mark.integration

SPECIMENS = 150
WHOLE = (SPECIMENS, SPECIMENS, 2 * SPECIMENS, SPECIMENS, SPECIMENS, 0)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka and PostgreSQL, the only servers that the sink needs."""
    stack = Stack(tmp_path_factory.mktemp("sink"), tied=True)
    stack.up(["kafka", "postgres"])
    yield stack
    stack.down()


@pytest.fixture
def settings(servers: Stack) -> ServiceSettings:
    """Settings of a sink on initialised servers."""
    values = {name.removeprefix("XRAY_").lower(): value for name, value in servers.environment().items()}
    settings = ServiceSettings.model_validate(values | {"partitions": 4, "batch_size": 16})
    ensure_topics(settings)
    migrate(settings.postgres_dsn.get_secret_value())
    return settings


@contextmanager
def running(settings: ServiceSettings) -> Iterator[BatchLoop[Event]]:
    """A sink that runs in a thread until the block ends."""
    stop = threading.Event()
    sink = build(settings)
    with closing(KafkaTransport(settings, sink.stage, list(sink.topics.inputs_by_name))) as transport, closing(sink):
        sink.start()
        transport.subscribe(sink.topics.required)
        loop = BatchLoop(sink, transport, stop, log_fields=log_fields, image_event_id=image_event_id)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield loop
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive()


def _messages(number: int) -> list[Message]:
    specimen = f"{number} \N{MOUSE}"
    made: list[Event] = [image(specimen), view(specimen), view(specimen, "LAT"), call(specimen)]
    topics = [IMAGES, VIEWS, VIEWS, CALLS, REJECTED]
    return [Message(*pair) for pair in zip(topics, [*made, rejection(specimen, number)], strict=True)]


def test_a_sink_that_freezes_between_two_statements_releases_its_locks(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pipeline, PostgreSQL waits for the next statement without any of its older time-outs."""
    monkeypatch.setattr(writer, "_TRANSACTION_SECONDS", 2)
    dsn, lock = settings.postgres_dsn.get_secret_value(), writer._ONE_WRITER_OF_CALLS
    with closing(writer._bound_connection(dsn)) as frozen, closing(connect(dsn, "test")) as other:
        frozen.execute("begin")
        frozen.pgconn.enter_pipeline_mode()
        frozen.pgconn.send_query_params(lock.encode(), None)
        frozen.pgconn.send_flush_request()
        frozen.pgconn.flush()
        time.sleep(0.5)
        started = time.monotonic()
        with other.transaction():
            other.execute(lock)
        assert 0.5 < time.monotonic() - started < 10


def _counts(settings: ServiceSettings) -> tuple[int, ...]:
    with connect(settings.postgres_dsn.get_secret_value(), "test") as connection:
        counts = queries.ledger_count(connection)
    return (counts.specimens, counts.images, counts.views, counts.calls, counts.rejections, counts.incomplete)


def _wait(seconds: float, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nothing_is_lost_or_doubled_when_the_database_is_killed_under_load(
    servers: Stack, settings: ServiceSettings
) -> None:
    messages = [message for number in range(SPECIMENS) for message in _messages(number)]
    with closing(KafkaTransport(settings, "test", [])) as producer:
        producer.publish(messages[: len(messages) // 2])
        with running(settings) as loop:
            _wait(30, lambda: sum(_counts(settings)) > 50)
            servers.kill("postgres")
            producer.publish(messages[len(messages) // 2 :])
            _wait(30, lambda: loop.retrying is not None)
            servers.start("postgres")
            _wait(60, lambda: _counts(settings) == WHOLE)
        producer.publish(messages)  # every event once more
        with running(settings) as loop:
            _wait(60, lambda: _lag(settings) == 0)
    assert _counts(settings) == WHOLE


def _lag(settings: ServiceSettings) -> int:
    """Count the records that the sink's group has not committed yet."""
    _, services = topics_and_services(settings)
    return sum(sum(service.lag.values()) for service in services if service.name == "sink")
