"""Centres' submissions and IMPC's archive, with a real Kafka and real object storage."""

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition

from deploy.local.stack import Stack
from services.common.events import ImageEvent, parse_event
from services.common.kafka.clients import reader
from services.common.keys import original_key
from services.common.store import ObjectStore
from services.common.topics import IMAGES
from services.ingest.observations import PREFIX
from services.ingest.submissions import specimen_id
from tests.ingest.backfill.documents import image_document, observation_document, serving
from tests.ingest.push.files import write_picture
from tests.ingest.submissions.submissions import experiment, medium, observed, submission
from tests.integration.test_cli import Cli

pytestmark = pytest.mark.integration

DORSAL, LATERAL = "IMPC_XRY_034_001", "IMPC_XRY_048_001"


@pytest.fixture(scope="module")
def cli(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    command = Cli(stack, tmp_path_factory.mktemp("state"))
    command.environment["XRAY_PRIVATE_HOSTS"] = "127.0.0.1"  # where the archive of these tests is
    command("init")
    return command


def events(cli: Cli, specimens: set[str]) -> list[ImageEvent]:
    """All events of these specimens."""
    with reader(cli.settings) as consumer:
        partitions = [TopicPartition(IMAGES.name, one) for one in consumer.partitions_for_topic(IMAGES.name)]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends: dict[TopicPartition, int] = consumer.end_offsets(partitions)
        found: list[ImageEvent] = []
        while any(consumer.position(one) < end for one, end in ends.items()):
            for records in consumer.poll(timeout_ms=1000).values():
                found += [parse_event(ImageEvent, record.value) for record in records]
    return [event for event in found if event.biological_sample_id in specimens]


def outcomes(report: list[dict[str, Any]]) -> Counter[str]:
    return Counter(one["outcome"] for one in report)


def stored_labels(cli: Cli, out: Path) -> dict[str, dict[str, str]]:
    """The labels that `xray train labels --stored` builds from all stored observations."""
    cli("train", "labels", "--stored", "--out", out)
    with (out / "labels.csv").open(encoding="utf-8", newline="") as file:
        return {row["biological_sample_id"]: row for row in csv.DictReader(file)}


def test_a_submission_is_pushed_once_accounted_for_and_completed(cli: Cli, tmp_path: Path) -> None:
    for number, name in enumerate(("1.png", "2.png", "3.png")):
        write_picture(tmp_path / "scans" / name, grey=10 + number)
    first = experiment(
        "int-1", observed("IMPC_XRY_056_001", "yes"), medium(DORSAL, "1.png"), medium(LATERAL, "2.png", "late.png")
    )
    second = experiment("int-2", observed("IMPC_XRY_056_001", "no"), medium(DORSAL, "3.png"))
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
    good.write_text(submission(first, second), encoding="utf-8")
    bad.write_text(submission(first)[:-30], encoding="utf-8")
    push = ("push", "--dcc", good, "--media", tmp_path / "scans")
    one, two = (str(specimen_id(None, None, "JAX", name)) for name in ("int-1", "int-2"))

    report = cli.json(*push, bad, exit_code=1)
    assert [(entry["file"], entry["reason"]) for entry in report if entry["outcome"] == "failed"] == [
        (str(bad), "not_xml"),
        ("late.png", "media_missing"),
    ]
    assert "line 12" in report[0]["message"]
    assert outcomes(report) == {"failed": 2, "kept": 1, "pushed": 3, "account": 2}
    assert [entry["received"] for entry in report if entry["outcome"] == "account"] == [
        {"DV": 1, "LAT": 1, "other": 0},
        {"DV": 1, "LAT": 0, "other": 0},
    ]
    announced = events(cli, {one, two})
    assert sorted((event.biological_sample_id, event.parameter_stable_id) for event in announced) == sorted(
        [(one, DORSAL), (one, LATERAL), (two, DORSAL)]
    )
    (key,) = {event.metadata["submission"] for event in announced}
    assert ObjectStore(cli.settings).get(key) == good.read_bytes()

    again = cli.json(*push, exit_code=1)
    assert outcomes(again) == {"failed": 1, "done_before": 4, "account": 2}
    assert "pushed before" in cli.errors(*push, exit_code=1)
    assert len(events(cli, {one, two})) == 3

    write_picture(tmp_path / "scans" / "late.png", grey=20)
    assert outcomes(cli.json(*push)) == {"done_before": 4, "pushed": 1, "account": 2}
    labels = stored_labels(cli, tmp_path / "labels")
    assert (labels[one]["level1"], labels[two]["level1"]) == ("1", "0")


def test_a_killed_backfill_continues_where_it_stopped(cli: Cli, tmp_path: Path) -> None:
    images = [image_document(number) for number in range(260)]
    images[7] |= {"omero_id": -1}
    del images[8]["biological_sample_id"]
    expected = {str(one["omero_id"]) for number, one in enumerate(images) if number not in {7, 8}}
    specimens = {str(one["biological_sample_id"]) for one in images if "biological_sample_id" in one}
    with serving(images, [observation_document(number) for number in range(260)]) as server:
        server.faults["/solr/impc_images/select"].extend([503, "half"])
        server.faults["/solr/experiment/select"].extend(["cut"])
        server.faults["/media/1003"].extend([500, "half"])
        backfill = ("backfill", "--solr", server.url, "--rate", "100", "--json")
        process = cli.process(*backfill)
        assert process.stdout is not None
        report: Counter[str] = Counter()
        while report["pushed"] < 220:
            report[json.loads(process.stdout.readline())["outcome"]] += 1
        process.kill()
        process.communicate()
        assert report == {"kept": 1, "left_out": 2, "pushed": 220}
        before = sum(server.requests.values())

        resumed = outcomes([json.loads(line) for line in cli(*backfill).splitlines()])
        assert resumed["done_before"] >= 20
        assert resumed["pushed"] == 60 - resumed["done_before"]
        assert sum(server.requests.values()) < before + 100
        announced = events(cli, specimens)
        assert {event.metadata["omero_id"] for event in announced} == expected
        assert len({event.event_id for event in announced}) == len(expected)
        assert len(announced) <= len(expected) + 8
        store = ObjectStore(cli.settings)
        for event in announced[:5]:
            data = store.get(original_key(event.sha256 or ""))
            assert data == server.pictures[event.metadata["omero_id"]]
            assert hashlib.sha256(data).hexdigest() == event.sha256

        kept = store.keys(PREFIX)
        downloads = {path: number for path, number in server.requests.items() if path.startswith("/media/")}
        third = outcomes([json.loads(line) for line in cli(*backfill).splitlines()])
        assert third == {"done_before": len(expected) + 1, "left_out": 2}
        assert {path: n for path, n in server.requests.items() if path.startswith("/media/")} == downloads
        assert store.keys(PREFIX) == kept
        assert len(events(cli, specimens)) == len(announced)
    labels = stored_labels(cli, tmp_path / "labels")
    assert {labels["183800"]["level1"], labels["183801"]["level1"]} == {"0", "1"}
