"""Intake's handler on a store in memory: the stored objects, their order and the announcements."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pytest

from services.common.errors import Fatal, Rejected, Retriable, SourceUnavailable
from services.common.events import ImageEvent, ViewReady
from services.common.events.animal import Animal
from services.common.keys import animal_key, flags_key, original_key, view_key
from services.common.loop import Done, Outcome, Record
from services.common.loop.retries import retry_state
from services.common.preprocessing import GENERATION, VERSION
from services.common.reprocess import reprocess_headers
from services.common.sources.uri import S3Uri
from services.common.topics import IMAGE_RETRIES, IMAGES, VIEWS
from services.intake.decode import decode
from services.intake.decoder.process import DecoderPool
from services.intake.fetch import Fetcher
from services.intake.parking import RetryPlan
from services.intake.raster import Raster
from services.intake.service import Intake, build
from services.intake.settings import IntakeSettings
from services.intake.standardise import StandardView, standardise, standardise_raster
from tests.common.memory_store import MemoryStore
from tests.intake.files import LIMITS, encoded, exposure, grey, stored_pixels
from tests.intake.hostile import dicom_with_empty_items
from tests.ledger.examples import NOON

CLOCK = datetime(2026, 5, 1, tzinfo=UTC)
DV = encoded(grey(exposure("DV")), ".png")
LAT = encoded(grey(exposure("LAT")), ".png")
PLAN = RetryPlan(IMAGE_RETRIES, timedelta(hours=24), now=lambda: CLOCK)
BLANK = encoded(np.zeros((600, 600), np.uint8), ".png")


class InProcessDecoder:
    """Decodes in this process: the images of these tests are known."""

    def start(self) -> None: ...
    def interrupt(self) -> None: ...
    def close(self) -> None: ...
    def decode(self, data: bytes) -> Raster:
        return decode(data, LIMITS)


class RecordingStore(MemoryStore):
    """Records the keys of all puts; fails the put of a key that begins with `failing`."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[str] = []
        self.failing: str | None = None
        self.other_buckets = {"centre": {"dv.png": DV, "lat.png": LAT, "blank.png": BLANK, "text": b"no picture"}}

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        if self.failing is not None and key.startswith(self.failing):
            raise Retriable("away", server="objects")
        super().put(key, data, content_type)
        self.puts.append(key)


@pytest.fixture
def store() -> RecordingStore:
    return RecordingStore()


@pytest.fixture
def intake(store: RecordingStore) -> Iterator[Intake]:
    fetcher = Fetcher(store, IntakeSettings(source_buckets="centre"), LIMITS.most_bytes)
    with closing(Intake(store, fetcher, InProcessDecoder(), LIMITS, PLAN, workers=2, now=lambda: CLOCK)) as intake:
        yield intake


def record(
    uri: str, parameter: str = "IMPC_XRY_034_001", headers: tuple[tuple[str, bytes], ...] = (), **fields: Any
) -> Record[Any]:
    stated = {"biological_sample_id": "m", "centre": "JAX"} | fields
    event = ImageEvent(parameter_stable_id=parameter, image_uri=uri, **stated)
    return Record(IMAGES.name, 0, 0, NOON, b"m", event.encode(), headers, event)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def published(outcome: Outcome) -> ViewReady:
    assert isinstance(outcome, Done), outcome
    (message,) = outcome.messages
    assert message.topic is VIEWS
    return cast(ViewReady, message.event)


def refused(outcome: Outcome) -> Rejected:
    assert isinstance(outcome, Rejected)
    return outcome


def test_an_image_becomes_a_stored_view_and_its_announcement(store: RecordingStore, intake: Intake) -> None:
    one = record("s3://centre/dv.png", sha256=digest(DV))
    event = published(intake.handle([one])[0])
    assert (event.view, event.view_key) == ("DV", view_key(VERSION, "m", "JAX", "DV", digest(DV)))
    assert event.view_sha256 == digest(store.objects[event.view_key])
    assert store.content_types[event.view_key] == "image/png"
    expected = standardise(DV, "DV", LIMITS)
    assert np.array_equal(stored_pixels(store.objects[event.view_key]), expected.pixels)
    assert (event.scores, event.flags) == (expected.scores, expected.flags)
    assert (event.image_sha256, event.original_key) == (digest(DV), original_key(digest(DV)))
    assert store.objects[event.original_key] == DV
    assert event.image_event_id == one.event.event_id
    assert (event.preprocessing_version, event.preprocessing_generation) == (VERSION, GENERATION)
    assert (event.announced_at, event.produced_at) == (NOON, CLOCK)


def test_the_original_is_stored_before_the_view(store: RecordingStore, intake: Intake) -> None:
    event = published(intake.handle([record("s3://centre/lat.png", "IMPC_XRY_048_001")])[0])
    assert store.puts == [event.original_key, event.view_key]


def test_flags_and_facts_are_stored_before_the_view(
    store: RecordingStore, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flagged(*arguments: Any) -> StandardView:
        found = standardise_raster(*arguments)
        return replace(found, flags=("view_uncertain", "view_contradicts_parameter"))

    monkeypatch.setattr("services.intake.service.standardise_raster", flagged)
    animal = Animal(sample_group="control", sex="female")
    event = published(intake.handle([record("s3://centre/dv.png", animal=animal)])[0])
    assert event.animal == animal
    assert store.puts == [
        event.original_key,
        flags_key(event.view_key, ["view_uncertain"]),
        animal_key("m", "JAX", "DV", digest(DV), animal),
        event.view_key,
    ]


@pytest.mark.parametrize("failing", ["originals/", "views/"])
def test_nothing_is_announced_that_is_not_stored(store: RecordingStore, intake: Intake, failing: str) -> None:
    store.failing = failing
    with pytest.raises(Retriable):
        intake.handle([record("s3://centre/dv.png")])
    store.failing = None
    event = published(intake.handle([record("s3://centre/dv.png")])[0])
    assert {event.original_key, event.view_key} == set(store.objects)


def test_the_same_image_again_gives_the_same_objects(store: RecordingStore, intake: Intake) -> None:
    first = published(intake.handle([record("s3://centre/dv.png")])[0])
    before = dict(store.objects)
    assert published(intake.handle([record("s3://centre/dv.png")])[0]) == first
    assert store.objects == before


def test_another_parameter_is_skipped_without_a_fetch(store: RecordingStore, intake: Intake) -> None:
    assert intake.handle([record("s3://centre/nothing.png", "IMPC_XRY_051_001")]) == [
        Done(skipped="not_a_whole_body_parameter")
    ]
    assert store.objects == {}


def test_a_wrong_digest_is_rejected_with_both_digests(store: RecordingStore, intake: Intake) -> None:
    rejected = refused(intake.handle([record("s3://centre/dv.png", sha256="0" * 64)])[0])
    assert rejected.reason == "digest_mismatch"
    assert digest(DV) in rejected.message
    assert "0" * 64 in rejected.message
    assert store.objects == {}


@pytest.mark.parametrize("specimen", ["m", "BCM:m", "JAX m", "JAX"])
def test_an_id_without_its_centre_is_rejected_where_ids_are_the_centres_own(
    store: RecordingStore, specimen: str
) -> None:
    fetcher = Fetcher(store, IntakeSettings(source_buckets="centre"), LIMITS.most_bytes)
    intake = Intake(store, fetcher, InProcessDecoder(), LIMITS, PLAN, workers=1, ids_by_centre=True)
    with closing(intake):
        own, other = intake.handle(
            [
                record("s3://centre/dv.png", biological_sample_id="JAX:m"),
                record("s3://centre/dv.png", biological_sample_id=specimen),
            ]
        )
    assert published(own).biological_sample_id == "JAX:m"
    assert refused(other).reason == "id_without_centre"


def test_a_bad_image_costs_only_itself_and_its_original_is_kept(store: RecordingStore, intake: Intake) -> None:
    uris = ["blank.png", "text", "gone.png", "dv.png"]
    outcomes = intake.handle([record(f"s3://centre/{name}") for name in uris] + [record("s3://other/dv.png")])
    assert [refused(outcomes[index]).reason for index in (0, 1, 2, 4)] == [
        "blank",
        "format_unsupported",
        "object_missing",
        "source_not_allowed",
    ]
    assert published(outcomes[3]).image_sha256 == digest(DV)
    assert {original_key(digest(data)) for data in (BLANK, b"no picture", DV)} <= set(store.objects)
    assert sum(key.startswith("views/") for key in store.objects) == 1


def test_a_hostile_image_costs_only_itself(store: RecordingStore) -> None:
    """Its decoder process is killed at a limit; the images next to it and after it are decoded."""
    limits = LIMITS.model_copy(update={"decoder_cpu_seconds": 1.0, "most_dicom_elements": 10**8})
    store.other_buckets["centre"]["hostile.dcm"] = dicom_with_empty_items(8_000_000)
    fetcher = Fetcher(store, IntakeSettings(source_buckets="centre"), LIMITS.most_bytes)
    names = ["hostile.dcm", "dv.png", "dv.png", "lat.png"]
    with closing(Intake(store, fetcher, DecoderPool("intake", limits, 2), limits, PLAN, workers=2)) as intake:
        intake.start()
        outcomes = intake.handle([record(f"s3://centre/{name}") for name in names])
    assert refused(outcomes[0]).reason == "decoder_limit"
    assert [published(outcome).image_sha256 for outcome in outcomes[1:]] == [digest(DV), digest(DV), digest(LAT)]


def test_a_batch_that_could_outlast_the_group_s_patience_is_misconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_LIMIT_DECODER_SECONDS", "20")
    with pytest.raises(Fatal, match="XRAY_BATCH_SIZE"):
        build(IntakeSettings(batch_size=32, workers=2))
    with closing(build(IntakeSettings(batch_size=32, workers=4))):
        pass


def test_an_unknown_parameter_is_rejected(intake: Intake) -> None:
    assert refused(intake.handle([record("s3://centre/dv.png", "IMPC_EYE_001_001")])[0]).reason == "parameter_unknown"


def test_reprocessing_reads_the_stored_original(store: RecordingStore, intake: Intake) -> None:
    store.objects[original_key(digest(LAT))] = LAT
    headers = tuple(reprocess_headers(VERSION, digest(LAT)))
    event = published(intake.handle([record("s3://centre/gone.png", "IMPC_XRY_048_001", headers)])[0])
    assert event.image_sha256 == digest(LAT)
    assert event.image_uri == "s3://centre/gone.png"
    assert store.puts == [event.view_key]


def test_a_damaged_original_is_not_reprocessed(store: RecordingStore, intake: Intake) -> None:
    store.objects[original_key(digest(LAT))] = DV
    headers = tuple(reprocess_headers(VERSION, digest(LAT)))
    assert refused(intake.handle([record("s3://centre/gone.png", headers=headers)])[0]).reason == "digest_mismatch"


def test_a_record_whose_source_is_away_is_set_aside_and_the_others_go_on(store: RecordingStore, intake: Intake) -> None:
    class Away(MemoryStore):
        def get_source(self, uri: S3Uri, limit: int) -> bytes:
            raise SourceUnavailable("no answer", source=uri.origin, server="objects")

    intake._source = Fetcher(Away(), IntakeSettings(source_buckets="centre"), LIMITS.most_bytes)
    one = record("s3://centre/dv.png", headers=(("trace", b"1"),))
    outcome = intake.handle([one])[0]
    assert isinstance(outcome, Done)
    (message,) = outcome.messages
    assert (message.topic, message.key, message.value) == (IMAGE_RETRIES[0], one.key, one.value)
    state, headers = retry_state(message.headers)
    assert headers == one.headers
    assert state is not None
    assert (state.topic, state.attempts, state.since, state.error) == (IMAGES.name, 1, CLOCK, "no answer")
    assert store.objects == {}


def test_a_fault_of_our_own_store_holds_the_record(store: RecordingStore, intake: Intake) -> None:
    store.failing = "views/"
    with pytest.raises(Retriable) as caught:
        intake.handle([record("s3://centre/dv.png")])
    assert not isinstance(caught.value, SourceUnavailable)


def test_a_missing_bucket_stops_the_start(store: RecordingStore, intake: Intake) -> None:
    intake.start()
    store.exists_bucket = False
    with pytest.raises(Fatal, match="xray init"):
        intake.start()
