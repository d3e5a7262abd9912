"""Nothing on a centre's own topic is lost while its reader is killed, and nothing of another centre gets through."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from services.common.events import ImageEvent, Rejection
from services.common.kafka.clients import open_producer, reader
from services.common.kafka.reading import ranges_of, read
from services.common.settings import ServiceSettings, settings_of
from services.common.topics import CENTRE_IMAGES, IMAGES, REJECTED
from services.operations.processes import Processes
from services.operations.provisioning import ensure_topics
from services.operations.status import topics_and_services

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

CENTRE, ANOTHER, IMAGES_SENT = "MRC Harwell", "JAX", 600
OWN = CENTRE_IMAGES.of(CENTRE)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "stack", tied=True)
    try:
        stack.up(["kafka"])
        yield stack
    finally:
        stack.down()


def announcements() -> list[ImageEvent]:
    """Every tenth image names another centre."""
    return [
        ImageEvent(
            biological_sample_id=f"mouse-{number}",
            centre=CENTRE if number % 10 else ANOTHER,
            parameter_stable_id="IMPC_XRY_034_001",
            image_uri=f"s3://xray/originals/00/{number}",
        )
        for number in range(IMAGES_SENT)
    ]


def send(settings: ServiceSettings, events: list[ImageEvent]) -> None:
    with closing(open_producer(settings)) as producer:
        for event in events:
            producer.send(OWN.name, key=event.key.encode(), value=event.encode())
            time.sleep(0.02)
        producer.flush()


def values(settings: ServiceSettings, topic: str) -> set[bytes]:
    with reader(settings) as consumer:
        return {record.value for record in read(consumer, ranges_of(consumer, [topic]))}


def waiting(settings: ServiceSettings) -> int:
    _, services = topics_and_services(settings)
    [admission] = [one for one in services if one.name == "admission"]
    return admission.lag[OWN.name]


def test_killed_under_load_it_admits_every_image_of_its_centre_and_no_other(stack: Stack, tmp_path: Path) -> None:
    settings = ServiceSettings.model_validate(settings_of(stack.environment()).model_dump())
    events = announcements()
    ensure_topics(settings)
    with Processes(["admission"], stack.environment(), tmp_path / "logs") as processes:
        processes.wait_ready(120)
        ensure_topics(settings, [OWN])  # a centre that arrives while the admission runs
        sending = threading.Thread(target=send, args=(settings, events))
        sending.start()
        for _ in range(3):
            time.sleep(4)
            processes.kill("admission")
            processes.start(["admission"])
        sending.join()
        deadline = time.monotonic() + 120
        while waiting(settings):
            assert time.monotonic() < deadline, processes.log_tail("admission")
            time.sleep(0.5)
    assert values(settings, IMAGES.name) == {one.encode() for one in events if one.centre == CENTRE}
    refused = [Rejection.model_validate_json(value) for value in values(settings, REJECTED.name)]
    assert {(one.reason, one.centre) for one in refused} == {("centre_mismatch", CENTRE)}
    assert len({one.rejection_id for one in refused}) == IMAGES_SENT // 10
