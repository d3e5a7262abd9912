"""From announced images to rows in PostgreSQL, all services and servers real."""

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from services.common.events import ImageEvent
from services.common.keys import safe_segment
from services.common.preprocessing import VERSION
from services.common.topology import PIPELINE
from tests.pipeline.deployment import Deployment, Picture, deployed
from tests.pipeline.mice import mouse

pytestmark = pytest.mark.integration

DV, SKULL = "IMPC_XRY_034_001", "IMPC_XRY_051_001"
HOSTILE = ["a/b", "..", "../..", "Mäuschen 🐁", "a%2Fb", "'; drop table call; --", "x" * 512, "ä", "a\u0308"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("pipeline")) as deployment:
        yield deployment


def send(system: Deployment, *pictures: Picture) -> list[ImageEvent]:
    events = system.upload(pictures)
    system.announce(events)
    return events


def wait_until(system: Deployment, statement: str, count: int, seconds: float = 60) -> list[tuple[Any, ...]]:
    deadline = time.monotonic() + seconds
    while len(rows := system.query(statement)) < count:
        assert time.monotonic() < deadline, f"{len(rows)} of {count} rows after {seconds} s: {statement}"
        time.sleep(0.2)
    return rows


def test_images_become_calls_with_their_whole_lineage(system: Deployment) -> None:
    pictures = mouse("mouse-1", seed=1)
    send(system, *pictures)
    system.wait_for({"mouse-1": len(pictures)})
    row = system.query(
        "select models, views, tensor_key, tensor_sha256, vector from current_call "
        "where biological_sample_id = 'mouse-1'"
    )[0]
    models, views, tensor_key, tensor_sha256, vector = row
    assert [model["model"] for model in models] == ["cae", "convnext"]
    assert {view["image_sha256"] for view in views} == {picture.sha256 for picture in pictures}
    assert len(vector) == 13
    assert len(system.store.get(tensor_key)) > 224 * 224 * 3
    assert tensor_sha256
    for view in views:
        assert system.store.get(view["view_key"])


def test_hostile_ids_stay_distinct_and_safe(system: Deployment) -> None:
    pictures = [picture for seed, name in enumerate(HOSTILE) for picture in mouse(name, seed=seed, images=1)]
    send(system, *pictures)
    system.wait_for(dict.fromkeys(HOSTILE, 2))
    prefixes = {key.split("/")[2] for key in system.store.keys(f"views/{VERSION}/")}
    assert {safe_segment(name) for name in HOSTILE} <= prefixes


def test_a_late_image_creates_a_new_call_that_supersedes_the_old_one(system: Deployment) -> None:
    first, second, late = [*mouse("late", seed=50, images=1), mouse("late", seed=51, images=1)[0]]
    send(system, first, second)
    before = system.wait_for({"late": 2})["late"]
    send(system, late)
    after = system.wait_for({"late": 3})["late"]
    assert after.call_id != before.call_id
    history = system.query("select revision from call where biological_sample_id = 'late' order by revision")
    assert [revision for (revision,) in history] == [2, 3]


def test_duplicates_change_nothing(system: Deployment) -> None:
    pictures = mouse("twice", seed=60, images=1)
    events = send(system, *pictures)
    before = system.wait_for({"twice": 2})["twice"]
    system.announce([*events, *events])
    wait_until(system, "select 1 from image where biological_sample_id = 'twice'", 2)
    send(system, *mouse("after-twice", seed=61, images=1))
    system.wait_for({"after-twice": 2})
    assert system.calls()["twice"] == before
    assert system.query("select count(*) from call where biological_sample_id = 'twice'") == [(1,)]


def test_a_specimen_without_its_lateral_view_waits(system: Deployment) -> None:
    send(system, mouse("only-dv", seed=70, images=1)[0])
    wait_until(system, "select 1 from view where biological_sample_id = 'only-dv'", 1)
    assert "only-dv" not in system.calls()
    assert system.query("select state from specimen_state where biological_sample_id = 'only-dv'") == [("incomplete",)]


def test_images_that_no_model_uses_are_skipped_not_rejected(system: Deployment) -> None:
    picture = mouse("skull", seed=80, images=1)[0]
    send(system, Picture("skull", "JAX", SKULL, picture.data))
    wait_until(system, "select 1 from image where biological_sample_id = 'skull' and kind = 'other'", 1)
    assert system.query("select count(*) from rejection where biological_sample_id = 'skull'") == [(0,)]


def event(**change: Any) -> bytes:
    valid = {
        "biological_sample_id": "bad",
        "centre": "JAX",
        "parameter_stable_id": DV,
        "image_uri": "s3://xray/originals/none",
    }
    return json.dumps(valid | change).encode()


def test_bad_input_gets_its_reason_and_good_input_is_still_called(system: Deployment) -> None:
    good = mouse("good", seed=90, images=1)
    events = system.upload(good)
    truncated = system.upload([Picture("bad", "JAX", DV, good[0].data[: len(good[0].data) // 2])])[0]
    bad = {
        b"not json": "json_invalid",
        event(biological_sample_id=""): "id_empty",
        event(biological_sample_id="x" * 10_000): "id_too_long",
        event(schema_version=9): "schema_version_unsupported",
        event(centre=7): "field_invalid",
        event(parameter_stable_id="HAS_XRY_034_001"): "parameter_unknown",
        event(): "object_missing",
        event(image_uri="s3://other/key"): "source_not_allowed",
        event(image_uri="https://169.254.169.254/latest/meta-data"): "source_not_allowed",
        event(image_uri=events[0].image_uri, sha256="0" * 64): "digest_mismatch",
    }
    records = [(b"k", value) for value in bad]
    system.publish([*records[:5], *((e.key.encode(), e.encode()) for e in [*events, truncated]), *records[5:]])
    system.wait_for({"good": 2})
    rows = wait_until(system, "select reason, original from rejection", len(bad) + 1)
    assert len(rows) == len(bad) + 1
    reasons = {bytes(original): reason for reason, original in rows}
    assert {value: reasons[value] for value in bad} == bad
    assert reasons[truncated.encode()].startswith("image_")


def test_services_stay_small_and_stop_cleanly(system: Deployment) -> None:
    for name in PIPELINE:
        process = psutil.Process(system.services.pid(name))
        assert process.memory_info().rss < 300e6, name
        process.send_signal(signal.SIGTERM)
    for name in PIPELINE:
        begin = time.monotonic()
        while system.services.alive(name):
            assert time.monotonic() - begin < 25, name
            time.sleep(0.1)
        assert system.services.exit_code(name) == 0, name
    system.services.start(PIPELINE)
    system.services.wait_ready()
