"""Nobody whom a DICOM file names appears in an event, a view or a log: only the stored original keeps the names."""

import logging
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from pydicom._dicom_dict import DicomDictionary

from services.common.errors import Rejected
from services.common.events import ImageEvent
from services.common.identity import image_event_id
from services.common.loop import Done, Record
from services.common.loop.dead_letter import rejection_of
from services.common.loop.transport import RawRecord
from services.common.store import ObjectStore
from services.common.topics import IMAGES
from services.ingest.push.hints import read_tags
from services.ingest.push.image import LocalFile, PushImage
from services.ingest.push.upload import _event
from services.intake.fetch import Fetcher
from services.intake.service import Intake
from services.intake.settings import IntakeSettings
from tests.common.memory_store import MemoryStore
from tests.intake.files import LIMITS, dicom, exposure, grey
from tests.intake.test_service import PLAN, InProcessDecoder

NAME = "Planted^Person"
PEOPLE = sorted(
    {keyword for vr, _, _, retired, keyword in DicomDictionary.values() if vr == "PN" and keyword and not retired}
)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def file_that_names_people() -> bytes:
    """A whole-body DV with a name in every attribute that holds a person's name (value representation PN)."""
    return dicom(grey(exposure(), 12), bits=12, **dict.fromkeys(PEOPLE, NAME), InstitutionName=NAME)


def test_every_attribute_that_names_a_person_is_planted() -> None:
    assert {"PatientName", "OperatorsName", "ReferringPhysicianName", "PerformingPhysicianName"} <= set(PEOPLE)
    assert file_that_names_people().count(NAME.encode()) == len(PEOPLE) + 1


@pytest.mark.parametrize("damaged", [False, True])
def test_names_stay_in_the_original(tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: bool) -> None:
    caplog.set_level(logging.DEBUG)
    data = file_that_names_people()
    data = data[: len(data) // 2] if damaged else data
    (tmp_path / "dv.dcm").write_bytes(data)
    tags = read_tags(tmp_path / "dv.dcm")
    image = PushImage(LocalFile(tmp_path / "dv.dcm"), "183808", "JAX", tags.parameter_stable_id or "IMPC_XRY_034_001")
    store = MemoryStore()
    event = _event(image, store.bucket, "0" * 64).model_copy(update={"sha256": None})
    store.put(event.image_uri.removeprefix(f"s3://{store.bucket}/"), data)
    published = _published(store, event)
    derived = {key: value for key, value in store.objects.items() if not key.startswith("originals/")}
    assert damaged != bool(derived)
    for text in (event.encode(), published, *derived.values(), caplog.text.encode()):
        assert b"Planted" not in text


def _published(store: MemoryStore, event: ImageEvent) -> bytes:
    """Handle an announcement as intake does, and return the view's announcement or the rejection."""
    raw = RawRecord(IMAGES.name, 0, 0, NOON, b"183808", event.encode(), ())
    record = Record(raw.topic, 0, 0, NOON, raw.key, raw.value, (), event)
    fetcher = Fetcher(cast(ObjectStore, store), IntakeSettings(), LIMITS.most_bytes)
    with closing(Intake(store, fetcher, InProcessDecoder(), LIMITS, PLAN, workers=1)) as intake:
        [outcome] = intake.handle([record])
    if isinstance(outcome, Rejected):
        return rejection_of("intake", raw, outcome, image_event_id(event)).encode()
    assert isinstance(outcome, Done)
    [message] = outcome.messages
    return message.event.encode()
