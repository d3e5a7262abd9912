"""The admission: what a centre's topic may hold, and what becomes of everything else on it."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from services.admission.service import Admission
from services.common.errors import Rejected
from services.common.events import ImageEvent, Rejection
from services.common.identity import image_event_id, log_fields
from services.common.loop import Done, Message, Record
from services.common.loop.batch import BatchLoop
from services.common.loop.transport import Offsets, RawRecord
from services.common.topics import CENTRE_IMAGES, IMAGES, REJECTED

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HARWELL = CENTRE_IMAGES.of("MRC Harwell").name


def event(centre: str) -> ImageEvent:
    return ImageEvent(
        biological_sample_id="183808",
        centre=centre,
        parameter_stable_id="IMPC_XRY_034_001",
        image_uri="s3://xray/originals/00/aa",
    )


def record(announced: ImageEvent, topic: str = HARWELL) -> Record[ImageEvent]:
    value = announced.encode() + b"\n"  # not the bytes that we would write
    return Record(topic, 0, 7, NOON, b"183808", value, (("lab", b"2"),), announced)


class MemoryTransport:
    """Gives the loop some records and keeps what it publishes."""

    assigned = 1

    def __init__(self, *raw: RawRecord) -> None:
        self._raw = list(raw)
        self.published: list[Message] = []
        self.committed: Offsets = {}

    def poll(self, timeout: float) -> list[RawRecord]:
        raw, self._raw = self._raw, []
        return raw

    def publish(self, messages: Any) -> None:
        self.published += messages

    def commit(self, offsets: Any) -> None:
        self.committed |= offsets

    def hold(self, seconds: float, partitions: Any) -> None: ...
    def release(self) -> None: ...
    def rewind(self, offsets: Any) -> None: ...


@pytest.fixture
def admission() -> Iterator[Admission]:
    with closing(Admission(workers=1)) as admission:
        yield admission


def test_the_name_of_a_topic_gives_its_centre() -> None:
    assert HARWELL == "xray.centre.MRC.20Harwell"
    assert CENTRE_IMAGES.centre(HARWELL) == "MRC Harwell"
    assert CENTRE_IMAGES.centre(IMAGES.name) is None


def test_a_centres_own_image_is_passed_on_with_its_bytes_key_and_headers(admission: Admission) -> None:
    given = record(event("MRC Harwell"))
    [done] = admission.handle([given])
    assert isinstance(done, Done)
    [message] = done.messages
    assert (message.topic, message.key, message.value, message.headers) == (
        IMAGES,
        given.key,
        given.value,
        given.headers,
    )


@pytest.mark.parametrize("centre", ["JAX", "MRC.20Harwell", "mrc harwell", "MRC Harwell "])
def test_an_image_of_another_centre_is_rejected(admission: Admission, centre: str) -> None:
    [outcome] = admission.handle([record(event(centre))])
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "centre_mismatch"


def test_a_rejection_counts_as_the_topics_centre_and_touches_no_announcement(admission: Admission) -> None:
    forged = event("JAX")
    raw = [
        RawRecord(HARWELL, 0, offset, NOON, b"183808", value, ())
        for offset, value in enumerate((forged.encode(), b"{"))
    ]
    transport, stop = MemoryTransport(*raw), threading.Event()
    loop = BatchLoop(admission, transport, stop, log_fields=log_fields, image_event_id=image_event_id)
    loop._step(transport.poll(0))
    rejections = [message.event for message in transport.published if message.topic is REJECTED]
    found = [
        (one.reason, one.centre, one.image_event_id, one.source_topic)
        for one in rejections
        if isinstance(one, Rejection)
    ]
    assert found == [
        ("centre_mismatch", "MRC Harwell", None, HARWELL),
        ("json_invalid", "MRC Harwell", None, HARWELL),
    ]
    assert transport.committed == {(HARWELL, 0): 2}
