"""From announced images to rows in PostgreSQL, all services and servers real."""

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest

from services.common.events import CallWithdrawal, ImageEvent
from services.common.kafka.clients import reader
from services.common.kafka.reading import OffsetRange, partitions_of, read
from services.common.keys import original_key, safe_segment, specimen_prefix
from services.common.store import ObjectStore
from services.common.topics import CALLS
from services.common.topology import PIPELINE
from tests.integration.test_cli import Cli
from tests.pipeline.deployment import Deployment, Picture, deployed
from tests.pipeline.mice import mouse

pytestmark = pytest.mark.integration

DV, SKULL = "IMPC_XRY_034_001", "IMPC_XRY_051_001"
HOSTILE = ["a/b", "..", "../..", "Mäuschen 🐁", "a%2Fb", "'; drop table call; --", "x" * 512, "ä", "a\u0308"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("pipeline")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def cli(system: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return Cli(system.stack, tmp_path_factory.mktemp("state"))


def send(system: Deployment, *pictures: Picture) -> list[ImageEvent]:
    events = system.upload(pictures)
    system.announce(events)
    return events


def withdraw(system: Deployment, cli: Cli, picture: Picture) -> None:
    """Withdraw a picture of one centre, once its view is recorded."""
    wait_until(system, f"select 1 from image_view where image_sha256 = '{picture.sha256}'", 1)
    command = ("withdraw", picture.sha256[:16], "--centre", picture.centre, "--reason", "a test", "--by", "anna")
    assert cli.json(*command, "--dry-run")
    (sent,) = cli.json(*command)
    assert (sent["image_sha256"], sent["who"]) == (picture.sha256, "anna")
    wait_until(system, f"select 1 from withdrawal where withdrawal_id = '{sent['withdrawal_id']}'", 1)
    assert cli.json(*command) == []


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
    prefixes = {key.split("/")[1] for key in system.store.keys("views/")}
    assert {safe_segment(name) for name in HOSTILE} <= prefixes


def test_a_late_image_creates_a_new_call_that_supersedes_the_old_one(system: Deployment) -> None:
    first, second, late, _ = mouse("late", seed=50, images=2)
    send(system, first, second)
    before = system.wait_for({"late": 2})["late"]
    send(system, late)
    after = system.wait_for({"late": 3})["late"]
    assert after.call_id != before.call_id
    history = system.query("select revision from call where biological_sample_id = 'late' order by revision")
    assert [revision for (revision,) in history] == [2, 3]


def test_a_withdrawn_picture_leaves_the_call_and_the_last_one_takes_it_away(system: Deployment, cli: Cli) -> None:
    pictures = mouse("withdrawn", seed=52, images=2)
    send(system, *pictures)
    before = system.wait_for({"withdrawn": 4})["withdrawn"]
    laterals = [picture for picture in pictures if picture.parameter != DV]
    withdraw(system, cli, laterals[0])
    after = system.wait_for({"withdrawn": 5})["withdrawn"]
    assert (after.revision, after.call_id == before.call_id) == (5, False)
    ((views,),) = system.query("select views from current_call where biological_sample_id = 'withdrawn'")
    assert {view["image_sha256"] for view in views} == {one.sha256 for one in pictures} - {laterals[0].sha256}
    withdraw(system, cli, laterals[1])
    wait_until(
        system, "select 1 from specimen_state where biological_sample_id = 'withdrawn' and state = 'withdrawn'", 1
    )
    assert "withdrawn" not in system.calls()
    with reader(system.settings) as consumer:
        where = partitions_of(consumer, CALLS.name)
        ends = consumer.end_offsets(where)
        records = read(consumer, {one: OffsetRange(0, ends[one]) for one in where})
        last = [CALLS.parse(one.value) for one in records if one.key == b"withdrawn"][-1]
    assert isinstance(last, CallWithdrawal)
    assert (last.reason, last.revision) == ("images_withdrawn", 6)
    steps = [step["what"] for step in cli.json("trace", "withdrawn")[0]["timeline"]]
    assert f"LAT of {laterals[1].sha256[:12]} withdrawn by anna: a test" in steps
    assert steps.count("no call from revision 6 on: images_withdrawn") == 3


def test_an_erased_image_is_gone_for_good(system: Deployment, cli: Cli) -> None:
    dorsoventral, lateral = pictures = mouse("erased", seed=57, images=1)
    send(system, *pictures)
    system.wait_for({"erased": 2})
    ((tensor,),) = system.query("select tensor_key from call where biological_sample_id = 'erased'")
    store = ObjectStore(system.settings)
    (view,) = (key for key in store.keys(specimen_prefix("erased")) if dorsoventral.sha256 in key)
    command = ("erase", dorsoventral.sha256[:16], "--reason", "a test", "--by", "anna")
    (planned,) = cli.json(*command, "--dry-run")
    assert (planned["images"], planned["specimens"]) == ([dorsoventral.sha256], ["erased"])
    (report,) = cli.json(*command, "--yes")
    assert (report["originals"], report["views"], report["tensors"], report["withdrawn"]) == (1, 1, 1, 1)
    assert store.get(view) == b""
    assert not store.exists(tensor)
    assert not store.exists(original_key(dorsoventral.sha256))
    assert store.exists(original_key(lateral.sha256))
    wait_until(system, "select 1 from specimen_state where biological_sample_id = 'erased' and state = 'withdrawn'", 1)
    data = replace(dorsoventral, specimen="again")  # the centre sends the same file for another specimen
    send(system, data)
    ((reason,),) = wait_until(system, "select reason from rejection where biological_sample_id = 'again'", 1)
    assert reason == "image_erased"
    assert store.get(original_key(dorsoventral.sha256)) == b""
    (again,) = cli.json(*command[:2], "--reason", "twice", "--yes")
    assert (again["tensors"], again["withdrawn"]) == (0, 0)
    shown = [one["what"] for one in cli.json("trace", "erased")[0]["objects"]]
    assert any("by anna: a test" in what for what in shown)


def test_two_centres_under_one_id_are_held_until_one_side_is_withdrawn(system: Deployment, cli: Cli) -> None:
    ours = mouse("shared", seed=53, images=1)
    theirs = replace(mouse("shared", seed=54, images=1)[1], centre="Another Centre")
    send(system, *ours)
    system.wait_for({"shared": 2})
    send(system, theirs)
    ((reason, stage),) = wait_until(
        system, "select reason, stage from rejection where biological_sample_id = 'shared'", 1
    )
    assert (reason, stage) == ("centres_conflict", "assembler")
    wait_until(system, "select 1 from specimen_state where biological_sample_id = 'shared' and state = 'withdrawn'", 1)
    assert "shared" not in system.calls()
    withdraw(system, cli, theirs)
    assert system.wait_for({"shared": 4})["shared"].revision == 4
    ((centre, views),) = system.query("select centre, views from current_call where biological_sample_id = 'shared'")
    assert centre == ours[0].centre
    assert {view["image_sha256"] for view in views} == {picture.sha256 for picture in ours}


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
        event(biological_sample_id=" N/A "): "id_placeholder",
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
    rows = wait_until(
        system,
        "select reason, original from rejection where stage = 'intake' and reason <> 'image_erased'",
        len(bad) + 1,
    )
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
