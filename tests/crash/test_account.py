"""Every image is accounted for after `kill -9` of every service, and a real loss is reported."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata
from prometheus_client.parser import text_string_to_metric_families

from deploy.pages import SECTIONS, metrics_of
from services.common.loop.lag import Lag, LagGauge
from services.common.settings import ServiceSettings
from services.common.topics import IMAGES
from services.common.topology import PIPELINE
from services.demo.cohort import CohortRequest, rendering
from services.demo.sending import DemoProgress, DemoResult, SendOptions, send
from tests.pipeline.deployment import Deployment, deployed
from tests.pipeline.mice import mouse

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1200)]

SPECIMENS = 12
TOPICS = [IMAGES.name]
QUIET = {
    "xray_decoders_lost",
    "xray_records_parked",
    "xray_last_parked_timestamp_seconds",
    "xray_retries",
    "xray_server_errors",
    "xray_records_rejected",
    "xray_records_skipped",
    "xray_written_bytes",
    "xray_model_reloads",
    "xray_shadow_errors",
}
"""Metrics that have no sample in a service until their event happens."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("account")


@pytest.fixture(scope="module")
def system(folder: Path) -> Iterator[Deployment]:
    with deployed(folder) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def sent(system: Deployment, folder: Path) -> DemoResult:
    """The demo's cohort, with every service killed once during the run."""
    with rendering(folder / "cohort", CohortRequest(SPECIMENS, seed=3, side=700)) as cohort:
        submissions = cohort.result()
    killer = threading.Thread(target=kill_each, args=(system,))
    killer.start()
    result = send(
        SendOptions(system.settings, folder, 120, system.services.restart_crashed), submissions, DemoProgress()
    )
    killer.join()
    system.services.restart_crashed()
    return result


def kill_each(system: Deployment) -> None:
    for name in PIPELINE:
        time.sleep(1)
        system.services.kill(name)


def xray(system: Deployment, *arguments: object) -> tuple[int, Any]:
    program = [sys.executable, "-m", "services.cli.main", *map(str, arguments), "--json"]
    environment = dict(os.environ) | system.environment
    answer = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert answer.stdout, answer.stderr
    return answer.returncode, json.loads(answer.stdout)


def reconciled(system: Deployment, seconds: float = 120) -> tuple[int, Any]:
    """Reconcile once nothing is in flight."""
    deadline = time.monotonic() + seconds
    while True:
        code, document = xray(system, "reconcile")
        if not document["total"]["in_flight"] or time.monotonic() > deadline:
            return code, document
        system.services.restart_crashed()
        time.sleep(1)


def call(system: Deployment, specimen: str, seed: int) -> str:
    """Send a DV and a LAT of a mouse; returns the id of the call once it is in the ledger."""
    system.announce(system.upload(mouse(specimen, seed=seed, images=1)))
    return system.wait_for({specimen: 2})[specimen].call_id


def lost(system: Deployment) -> dict[str, str]:
    """The missing images by specimen; the exit code must agree."""
    code, document = reconciled(system)
    assert code == (0 if document["adds_up"] else 1)
    return {one["biological_sample_id"]: one["why"] for one in document["missing"]}


def test_the_account_adds_up_after_every_service_was_killed(system: Deployment, sent: DemoResult) -> None:
    code, document = reconciled(system)
    assert (code, document["adds_up"], document["missing"]) == (0, True, [])
    total = document["total"]
    assert sent.outcome.missing == []
    ((rows,),) = system.query("select count(*) from image")
    assert total["announced"] == rows >= 2 * SPECIMENS
    assert total["called"] >= 2 * sum(one.submission.call_expected for one in sent.outcome.specimens)
    assert total["rejected"] > 0
    assert total["announced"] == sum(total[name] for name in ("called", "incomplete", "rejected", "skipped"))
    assert len(document["centres"]) > 1


def test_unreadable_records_and_repeated_announcements_are_accounted_for(system: Deployment) -> None:
    before = reconciled(system)[1]["total"]
    events = system.upload(mouse("account-twice", seed=60, images=1))
    system.announce([*events, *events])
    system.publish([(b"x", b"not json"), (b"y", b'{"centre": "JAX"}')])
    system.wait_for({"account-twice": 2})
    after = reconciled(system)[1]
    assert after["adds_up"]
    assert after["total"]["announced"] == before["announced"] + 4
    assert after["total"]["rejected"] == before["rejected"] + 2
    assert {one["centre"] for one in after["centres"]} >= {None, "JAX"}


def test_an_image_that_intake_was_made_to_pass_over_is_missed_until_it_is_announced_again(system: Deployment) -> None:
    system.services.stop(["intake"])
    system.announce(system.upload(mouse("account-passed", seed=61, images=1)))
    assert reconciled(system, seconds=0)[1]["total"]["in_flight"] == 2
    pass_over(system, "intake")
    system.services.start(["intake"])
    assert lost(system) == {"account-passed": "no_outcome"}
    xray(system, "reconcile", "--announce-again")
    system.wait_for({"account-passed": 2})
    assert lost(system) == {}


def pass_over(system: Deployment, group: str) -> None:
    """Commit the end of xray.images for a group, as an operator could by mistake."""
    consumer = KafkaConsumer(
        bootstrap_servers=system.settings.kafka_bootstrap, group_id=group, enable_auto_commit=False
    )
    where = [TopicPartition(IMAGES.name, number) for number in consumer.partitions_for_topic(IMAGES.name)]
    consumer.assign(where)
    consumer.commit({one: OffsetAndMetadata(end, "", -1) for one, end in consumer.end_offsets(where).items()})
    consumer.close()


def test_rows_that_vanish_from_the_ledger_are_missed(system: Deployment) -> None:
    call(system, "account-row", 62)
    with psycopg.connect(system.settings.postgres_dsn.get_secret_value()) as connection:
        connection.execute("delete from call where biological_sample_id = 'account-row'")
        connection.execute("delete from image where biological_sample_id = 'account-twice' and kind = 'DV'")
    assert lost(system) == {"account-row": "no_call", "account-twice": "not_recorded"}
    system.services.restart("assembler")
    xray(system, "reconcile", "--announce-again")
    system.wait_for({"account-row": 2})
    assert lost(system) == {}


def test_every_documented_metric_is_exported_and_no_other(system: Deployment) -> None:
    call(system, "account-metrics", 66)
    exported = {name: scraped(system, name) for name in PIPELINE}
    for name in PIPELINE:
        documented = {
            one.name
            for title, module in SECTIONS
            if title in {"Every service", name}
            for metric in metrics_of(module)
            for one in metric.describe()
        }
        assert exported[name].keys() == documented, name
        assert empty(exported[name]) <= QUIET, name


def empty(found: dict[str, int]) -> set[str]:
    """Metrics without a sample."""
    return {metric for metric, count in found.items() if not count}


def scraped(system: Deployment, name: str) -> dict[str, int]:
    """Our metrics and their numbers of samples, once lag and ledger have been queried after the first call."""
    deadline = time.monotonic() + 90
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{system.services.port(name)}/metrics", timeout=10) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        found = {one.name: len(one.samples) for one in families if one.name.startswith("xray_")}
        if empty(found) <= QUIET or time.monotonic() > deadline:
            return found
        time.sleep(1)


def test_lag_is_measured_in_records_and_in_seconds_until_the_group_commits(system: Deployment) -> None:
    system.announce(system.upload(mouse("account-lag", seed=63, images=1)))
    with closing(LagGauge(ServiceSettings.model_validate(system.settings.model_dump()), "lag-test", TOPICS)) as gauge:
        time.sleep(2)
        before = gauge.measure()[IMAGES.name]
        pass_over(system, "lag-test")
        assert gauge.measure() == {IMAGES.name: Lag(0, 0)}
        system.announce(system.upload(mouse("account-lag", seed=63, images=2)[2:]))
        after = gauge.measure()[IMAGES.name]
    assert before.records > after.records == 2
    assert before.seconds > 2 > after.seconds >= 0


def test_one_grep_follows_a_specimen_through_every_service(system: Deployment, folder: Path) -> None:
    specimen = "account-grep"
    call_id = call(system, specimen, 67)
    deadline = time.monotonic() + 30
    lines = grep(folder, specimen)
    while not {line["stage"] for line in lines} >= set(PIPELINE):
        assert time.monotonic() < deadline, lines
        time.sleep(0.5)
        lines = grep(folder, specimen)
    assert {line.get("call_id") for line in lines if line["stage"] == "classifier"} == {call_id}
    assert all(line["image_event_id"] for line in lines if line["stage"] == "intake")


def grep(folder: Path, word: str) -> list[dict[str, Any]]:
    logs = (folder / "logs").glob("*.log")
    return [json.loads(line) for log in logs for line in log.read_text().splitlines() if word in line]


def test_a_specimen_is_traced_by_any_of_its_ids_through_every_service(system: Deployment) -> None:
    specimen = "account-trace"
    call_id = call(system, specimen, 68)
    event_id, digest = system.query(
        "select image_event_id, image_sha256 from view where biological_sample_id = 'account-trace'"
    )[0]
    code, document = xray(system, "trace", specimen)
    assert (code, document["state"]["state"], document["topics_cut_short"]) == (0, "called", [])
    steps = document["timeline"]
    assert {step["stage"] for step in steps} >= {"centre", *PIPELINE}
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    assert all(step["record"] for step in steps if step["stage"] != "sink")
    assert document["objects"]
    assert all(one["exists"] for one in document["objects"])
    for kind, beginning in {"call": call_id[:16], "event": event_id[:16], "image": digest}.items():
        found = xray(system, "trace", beginning)[1]
        assert (found["biological_sample_id"], found["found_by"]) == (specimen, kind)


def test_a_specimen_that_the_ledger_does_not_know_yet_is_found_on_the_topic(system: Deployment) -> None:
    system.services.stop(["sink"])
    system.announce(system.upload(mouse("account-early", seed=65, images=1)))
    code, document = xray(system, "trace", "account-early")
    assert (code, len(document["timeline"])) == (0, 2)
    system.services.start(["sink"])
    system.wait_for({"account-early": 2})
