"""Where a push announces an image, and under which id."""

from pathlib import Path
from typing import Any, cast

import pytest

from services.common.events import ImageEvent
from services.common.store import ObjectStore
from services.common.topics import CENTRE_IMAGES, IMAGES
from services.ingest.push.image import LocalFile, PushImage
from services.ingest.push.journal import UploadJournal
from services.ingest.push.upload import Uploader
from tests.common.memory_store import MemoryStore

OWN = CENTRE_IMAGES.of("MRC Harwell").name


class Acknowledged:
    """What `send` of kafka-python's producer returns, for a record that the broker has stored."""

    def get(self, timeout: float) -> None: ...


class MemoryProducer:
    """Keeps what is sent, by topic."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, ImageEvent]] = []

    def send(self, topic: str, *, key: bytes, value: bytes) -> Acknowledged:
        self.sent.append((topic, key, ImageEvent.model_validate_json(value)))
        return Acknowledged()


def pushed(tmp_path: Path, **options: Any) -> tuple[str, bytes, ImageEvent]:
    """Push one image of MRC Harwell and return the topic, key and event."""
    (tmp_path / "dv.png").write_bytes(b"picture")
    image = PushImage(LocalFile(tmp_path / "dv.png"), "183808", "MRC Harwell", "IMPC_XRY_034_001")
    producer = MemoryProducer()
    with UploadJournal(tmp_path / "journal.jsonl") as journal:
        uploader = Uploader(cast(ObjectStore, MemoryStore()), producer, journal, **options)
        [result] = uploader.push([image], 1)
    assert result.outcome == "pushed", result
    [sent] = producer.sent
    assert sent[2].event_id == result.event_id
    return sent


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        ([IMAGES.name, OWN], OWN),
        ([OWN], OWN),
        ([IMAGES.name, CENTRE_IMAGES.of("JAX").name], IMAGES.name),
        ([], IMAGES.name),
    ],
)
def test_a_centre_with_its_own_topic_announces_there(tmp_path: Path, topics: list[str], expected: str) -> None:
    topic, _, _ = pushed(tmp_path, topics=topics)
    assert topic == expected


def test_an_id_is_left_as_it_is(tmp_path: Path) -> None:
    _, key, event = pushed(tmp_path)
    assert (key, event.biological_sample_id, event.metadata.get("specimen")) == (b"183808", "183808", None)


def test_a_centres_own_id_gets_the_centre_and_is_kept(tmp_path: Path) -> None:
    _, key, event = pushed(tmp_path, ids_by_centre=True)
    assert (key, event.biological_sample_id) == (b"MRC Harwell:183808", "MRC Harwell:183808")
    assert event.metadata["specimen"] == "183808"
