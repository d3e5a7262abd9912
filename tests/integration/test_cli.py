"""The commands against the real servers and the real services."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from deploy.local.stack import Stack
from services.cli.main import app
from services.common.errors import Rejected
from services.common.kafka.clients import administrator
from services.common.settings import settings_of
from services.common.topics import CALLS, IMAGES, VIEWS, Topic
from services.common.topology import SERVICES
from services.ingest.submissions import specimen_id
from services.operations.processes import Processes
from services.operations.provisioning import ensure_topics
from services.operations.replay import REPLAY_HEADER
from tests.ingest.push.files import write_picture
from tests.ingest.submissions.submissions import experiment, medium, submission
from tests.pipeline.mice import mouse

pytestmark = pytest.mark.integration

CLONE = Path(__file__).resolve().parents[2]
_INCOMPLETE = ("specimens", "--incomplete", "--limit", 10_000)
"""Other tests of this run leave more incomplete specimens than are listed by default."""


class Cli:
    """`xray` with the stack's variables; parses JSON output."""

    def __init__(self, stack: Stack, state: Path) -> None:
        self.stack = stack
        self.environment = stack.environment() | {"XDG_STATE_HOME": str(state)}
        self.settings = settings_of(self.environment)

    def __call__(self, *arguments: object, exit_code: int = 0) -> str:
        answer = CliRunner().invoke(app, [str(one) for one in arguments], env=self.environment, catch_exceptions=False)
        assert answer.exit_code == exit_code, answer.output
        return answer.stdout

    def errors(self, *arguments: object, exit_code: int = 0) -> str:
        answer = CliRunner().invoke(app, [str(one) for one in arguments], env=self.environment, catch_exceptions=False)
        assert answer.exit_code == exit_code, answer.output
        return answer.stderr

    def json(self, *arguments: object, exit_code: int = 0) -> list[Any]:
        return [json.loads(line) for line in self(*arguments, "--json", exit_code=exit_code).splitlines()]

    def process(self, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "services.cli.main", *(str(one) for one in arguments)]
        environment = os.environ | self.environment
        return subprocess.Popen(
            command, cwd=CLONE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@pytest.fixture(scope="module")
def cli(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    command = Cli(stack, tmp_path_factory.mktemp("state"))
    command("init")
    return command


@pytest.fixture(scope="module")
def services(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    tables = {"XRAY_MONITOR_FOLDER": str(tmp_path_factory.mktemp("tables"))}
    with Processes(SERVICES, cli.environment | tables, tmp_path_factory.mktemp("logs")) as processes:
        processes.wait_ready()
        yield processes


@pytest.fixture(scope="module")
def called(cli: Cli, services: Processes, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A specimen that was pushed from files and called; it also has a refused and a skipped image."""
    folder = write_mouse(tmp_path_factory.mktemp("scans"), "cli-1", seed=21)
    (folder / "broken_DV.png").write_bytes((folder / "0_DV.png").read_bytes()[:500])
    write_picture(folder / "m_skull_DV.png")
    assert services.alive("sink")
    pushed = cli.json("push", folder, "--centre", "JAX", "--specimen", "cli-1")
    assert {one["outcome"] for one in pushed} == {"pushed"}
    wait_until(lambda: bool(cli.json("calls")) and "cli-1" in {c["biological_sample_id"] for c in cli.json("calls")})
    wait_until(lambda: len(cli.json("rejections", "list", "--specimen", "cli-1")) == 1)
    return "cli-1"


def write_mouse(folder: Path, specimen: str, seed: int) -> Path:
    for number, picture in enumerate(mouse(specimen, seed=seed, images=1)):
        view = "DV" if "034" in picture.parameter else "LAT"
        (folder / f"{number}_{view}.png").write_bytes(picture.data)
    return folder


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s"
        time.sleep(0.3)


def test_init_again_changes_nothing(cli: Cli) -> None:
    steps = cli.json("init")
    assert {step["outcome"] for step in steps} == {"unchanged"}
    assert "topic xray.images" in {step["what"] for step in steps}


def test_init_updates_a_policy(cli: Cli) -> None:
    with administrator(cli.settings) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, VIEWS.name, {"retention.ms": "1000000"})])
    updated = [step for step in cli.json("init") if step["outcome"] == "updated"]
    assert [(step["what"], step["detail"]) for step in updated] == [
        ("topic xray.views", f"retention.ms: 1000000 -> {VIEWS.config['retention.ms']}")
    ]


def test_init_refuses_another_partition_count(cli: Cli) -> None:
    from services.common.errors import Fatal

    odd = Topic("test.odd", VIEWS.event, "a test", config=VIEWS.config)
    assert [step.outcome for step in ensure_topics(cli.settings, [odd])] == ["created"]
    more = cli.settings.model_copy(update={"partitions": cli.settings.partitions + 1})
    with pytest.raises(Fatal, match=r"test\.odd has 8 partitions, not 9.*XRAY_PARTITIONS"):
        ensure_topics(more, [odd])


def test_a_call_is_listed_and_shown_with_its_lineage(cli: Cli, called: str) -> None:
    (listed,) = [one for one in cli.json("calls", "--centre", "JAX") if one["biological_sample_id"] == called]
    assert len(listed["vector"]) == 13
    assert listed["current"] is True
    (document,) = cli.json("calls", called)
    assert {image["event"]["metadata"]["file_name"] for image in document["images"]} == {
        "0_DV.png",
        "1_LAT.png",
        "broken_DV.png",
        "m_skull_DV.png",
    }
    digests = {view["image_sha256"] for view in document["views"]}
    assert digests == {view["image_sha256"] for view in listed["views"]}
    page = cli("calls", called)
    for part in (called, "convnext", "Whole-body", listed["tensor_key"][:20], "Lineage", "0_DV.png"):
        assert part in page


def test_an_unknown_specimen_is_reported(cli: Cli) -> None:
    cli("calls", "no-such-mouse", exit_code=1)
    cli("specimens", "no-such-mouse", exit_code=1)


def test_specimens_are_counted_and_the_incomplete_ones_named(cli: Cli, called: str, tmp_path: Path) -> None:
    cli("push", write_picture(tmp_path / "half_DV.png"), "--centre", "TCP", "--specimen", "cli-half")
    # Other tests of this run leave more incomplete specimens than are listed by default.
    command = ("specimens", "--incomplete", "--limit", 10_000)
    wait_until(lambda: any(one["biological_sample_id"] == "cli-half" for one in cli.json(*command)))
    states = cli.json("specimens", "--incomplete", "--older-than", "1h")
    assert "cli-half" not in {one["biological_sample_id"] for one in states}
    (counted,) = [one for one in cli.json("specimens") if one["centre"] == "JAX"]
    assert counted["called"] >= 1
    (document,) = cli.json("specimens", called)
    state = document["state"]
    assert (state["state"], state["images"], state["skipped"], state["rejected"]) == ("called", 4, 1, 1)
    assert "broken_DV.png" in cli("specimens", called)
    assert "waiting at intake" not in cli("specimens", called)
    assert "did you mean JAX" in cli.errors("calls", "--centre", "Jax", exit_code=2)


def test_a_new_centre_is_confirmed_once(cli: Cli, services: Processes, tmp_path: Path) -> None:
    assert services.alive("sink")
    push = ("push", write_picture(tmp_path / "new_DV.png"), "--specimen", "cli-new", "--centre", "Harwel")
    assert "did you mean MRC Harwell" in cli.errors(*push, exit_code=2)
    assert [one["outcome"] for one in cli.json(*push, "--new-centre")] == ["pushed"]
    wait_until(lambda: "Harwel" in {one["centre"] for one in cli.json("specimens")})
    assert [one["outcome"] for one in cli.json(*push)] == ["done_before"]


def test_push_waits_for_the_outcome_of_every_image(cli: Cli, services: Processes, tmp_path: Path) -> None:
    folder = write_mouse(tmp_path, "cli-wait", seed=23)
    write_picture(folder / "small_LAT.png")
    write_picture(folder / "skull_DV.png", grey=50)
    push = ("push", folder, "--centre", "JAX", "--specimen", "cli-wait", "--wait")
    report = cli.json(*push, exit_code=1)
    found = {(Path(one["file"]).name, one["outcome"]): one for one in report if one["outcome"] != "pushed"}
    assert set(found) == {
        ("0_DV.png", "called"),
        ("1_LAT.png", "called"),
        ("small_LAT.png", "rejected"),
        ("skull_DV.png", "close_up"),
    }
    rejected = found["small_LAT.png", "rejected"]
    assert rejected["reason"] == "image_too_small"
    assert "8x8" in rejected["message"]
    assert "images that were pushed before are not followed" in cli.errors(*push)
    alone = cli("push", folder / "0_DV.png", "--centre", "JAX", "--specimen", "cli-alone", "--wait")
    assert alone == f"waiting for view {folder / '0_DV.png'}: the LAT view is missing\n"
    services.stop(["intake"])
    try:
        late = ("push", folder / "0_DV.png", "--centre", "JAX", "--specimen", "cli-late", "--wait", "--patience", "1")
        assert [one["outcome"] for one in cli.json(*late, exit_code=4)] == ["pushed", "at_intake"]
    finally:
        services.start(["intake"])


def test_the_centres_own_id_finds_its_specimen(cli: Cli, services: Processes, tmp_path: Path) -> None:
    assert services.alive("sink")
    write_mouse(tmp_path, "cli-own", seed=24)
    media = (medium(f"IMPC_XRY_{code}_001", name) for code, name in (("034", "0_DV.png"), ("048", "1_LAT.png")))
    xml = tmp_path / "day.xml"
    xml.write_text(submission(experiment("cli-A-17", *media)), encoding="utf-8")
    specimen = specimen_id(None, None, "JAX", "cli-A-17") or ""
    report = cli.json("push", "--dcc", xml, "--wait")
    assert [one["outcome"] for one in report if "event_id" in one and "specimen" in one] == ["called", "called"]
    wait_until(lambda: specimen in {one["biological_sample_id"] for one in cli.json("calls")})
    event = next(one["event_id"] for one in report if one["outcome"] == "called")
    for name in ("cli-A-17", specimen[:8], event[:12]):
        (shown,) = cli.json("calls", name)
        assert shown["state"]["biological_sample_id"] == specimen
        (traced,) = cli.json("trace", name)
        assert traced["biological_sample_id"] == specimen
    cli("review", "cli-A-17", "--normal", "Spine", "--who", "ann")
    wait_until(lambda: len(cli.json("review", "list", "cli-A-17")) == 1)
    assert cli.json("review", "list", specimen)[0]["biological_sample_id"] == specimen
    with pytest.raises(Rejected, match="only the beginning of an id"):
        cli("review", "cli-A-1", "--normal", "Spine")


def test_a_rejection_is_shown_saved_and_replayed_byte_for_byte(cli: Cli, called: str, tmp_path: Path) -> None:
    (one,) = cli.json("rejections", "list", "--specimen", called)
    assert one["stage"] == "intake"
    assert one["file_name"] == "broken_DV.png"
    assert "broken_DV.png" in cli("rejections", "list", "--specimen", called)
    assert "is unknown" in cli.errors("rejections", "list", "--reason", "nonsense", exit_code=2)
    assert one["reason"] in cli("rejections", "list", "--counts")
    saved = tmp_path / "record.json"
    assert one["reason"] in cli("rejections", "show", one["rejection_id"][:16], "--save", saved)
    source = TopicPartition(one["source_topic"], one["source_partition"])
    original = read(cli, source, one["source_offset"])
    assert original.value == saved.read_bytes()
    end = end_of(cli, source)
    assert [sent["sent"] for sent in cli.json("rejections", "replay", one["rejection_id"], "--dry-run")] == [False]
    assert end_of(cli, source) == end
    assert [
        sent["sent"] for sent in cli.json("rejections", "replay", "--reason", one["reason"], "--specimen", called)
    ] == [True]
    replayed = read(cli, source, end)
    assert (replayed.key, replayed.value) == (original.key, original.value)
    assert replayed.headers == [*original.headers, (REPLAY_HEADER, one["rejection_id"].encode())]
    wait_until(lambda: len(cli.json("rejections", "list", "--specimen", called)) == 2)
    cli("rejections", "replay", exit_code=2)


def test_status_is_healthy_and_shows_waiting_records(cli: Cli, called: str) -> None:
    assert called
    wait_until(lambda: all(sum(one["lag"].values()) == 0 for one in cli.json("status")[0]["services"]))
    (document,) = cli.json("status")
    assert {server["name"]: server["problem"] for server in document["servers"]} == dict.fromkeys(
        ("kafka", "s3", "triton", "postgres")
    )
    assert {one["name"]: one["workers"] for one in document["services"]} == dict.fromkeys(SERVICES, 1)
    ends = {topic["name"]: topic["end_offset"] for topic in document["topics"]}
    assert ends[CALLS.name] >= 1
    assert ends[IMAGES.name] >= 4


def test_an_image_that_intake_has_not_handled_waits_there(cli: Cli, services: Processes, tmp_path: Path) -> None:
    services.stop(["intake"])
    try:
        cli("push", write_picture(tmp_path / "late_DV.png"), "--centre", "TCP", "--specimen", "cli-waits")
        wait_until(lambda: any(one["biological_sample_id"] == "cli-waits" for one in cli.json(*_INCOMPLETE)))
        (state,) = [one for one in cli.json(*_INCOMPLETE) if one["biological_sample_id"] == "cli-waits"]
        assert len(state["waiting_at_intake"]) == 1
        assert "waiting at intake" in cli("specimens", "cli-waits")
        (line,) = [line for line in cli("status").splitlines() if line.split()[:1] == ["intake"]]
        assert f"{IMAGES.name} 1, no worker: run `xray run intake`" in line
    finally:
        services.start(["intake"])
    wait_until(lambda: cli.json("specimens", "cli-waits")[0]["waiting_at_intake"] == [])


def test_an_export_has_the_filters_of_the_list(cli: Cli, called: str, tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    cli("calls", "export", file, "--since", "1h")
    assert f"\n{called}," in file.read_text()
    cli("calls", "export", file, "--since", "0s")
    assert len(file.read_text().splitlines()) == 1
    cli("calls", "export", file, "--abnormal")
    abnormal = {one["biological_sample_id"] for one in cli.json("calls", "--abnormal", "--limit", 10_000)}
    assert {line.partition(",")[0] for line in file.read_text().splitlines()[1:]} == abnormal


def test_statistics_show_when_the_next_window_closes(cli: Cli, services: Processes) -> None:
    assert services.alive("monitor")
    assert "No window has closed yet; the current one closes at" in cli("statistics")


def test_status_fails_when_a_server_is_away(cli: Cli) -> None:
    away = os.environ | cli.environment | {"XRAY_POSTGRES_DSN": "postgresql://xray@127.0.0.1:1/xray"}
    answer = CliRunner().invoke(app, ["status", "--json"], env=away)
    assert answer.exit_code == 1
    problems = {server["name"]: server["problem"] for server in json.loads(answer.stdout)["servers"]}
    assert "Connection refused" in problems["postgres"]
    assert problems["kafka"] is None


def test_follow_and_the_example_subscriber_print_new_calls(cli: Cli, services: Processes, tmp_path: Path) -> None:
    assert services.alive("classifier")
    following = cli.process("calls", "--follow", "--json")
    subscriber = subprocess.Popen(
        [sys.executable, str(CLONE / "examples" / "subscriber.py")],
        env=os.environ | cli.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(4)  # until `--follow` has found the end of the topic
        cli("push", write_mouse(tmp_path, "cli-2", seed=22), "--centre", "TCP", "--specimen", "cli-2")
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["biological_sample_id"] == "cli-2"
        assert subscriber.stdout is not None
        line = next(line for line in subscriber.stdout if line.startswith("cli-2\t"))
        assert line.split("\t")[1:3] == ["TCP", "revision 2"]
    finally:
        subscriber.kill()
        subscriber.communicate()
        following.send_signal(signal.SIGINT)
        assert "Traceback" not in following.communicate(timeout=10)[1]
    assert following.returncode == 130


def test_push_reports_what_it_skips_and_why(cli: Cli, tmp_path: Path) -> None:
    write_picture(tmp_path / "which.png")
    (tmp_path / "notes.txt").write_text("hello")
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        f"file,biological_sample_id,parameter_stable_id,sha256\nwhich.png,cli-9,IMPC_XRY_034_001,{'0' * 64}\n"
    )
    report = cli.json("push", tmp_path, "--centre", "JAX", "--specimen", "cli-9", exit_code=1)
    assert {Path(one["file"]).name: one["reason"] for one in report} == {
        "which.png": "parameter_unknown",
        "notes.txt": "not_an_image",
        "m.csv": "not_an_image",
    }
    (only,) = cli.json("push", "--manifest", manifest, "--centre", "JAX", exit_code=1)
    assert (only["outcome"], only["reason"]) == ("failed", "digest_mismatch")


def test_a_killed_push_continues_where_it_stopped(cli: Cli, tmp_path: Path) -> None:
    for number in range(150):
        write_picture(tmp_path / f"{number}_DV.png", grey=number % 256)
    push = ("push", tmp_path, "--centre", "JAX", "--specimen", "cli-killed", "--parallel", "2", "--json")
    first = cli.process(*push)
    assert first.stdout is not None
    for _ in range(20):
        assert json.loads(first.stdout.readline())["outcome"] == "pushed"
    first.kill()
    first.communicate()
    outcomes = [json.loads(line)["outcome"] for line in cli(*push).splitlines()]
    assert len(outcomes) == 150
    assert outcomes.count("done_before") >= 20
    assert outcomes.count("pushed") >= 1
    assert {one["outcome"] for one in cli.json(*push[:-1])} == {"done_before"}
    assert {one["outcome"] for one in cli.json(*push[:-1], "--again")} == {"pushed"}


def test_push_without_a_store_reports_it(cli: Cli, tmp_path: Path) -> None:
    environment = os.environ | cli.environment | {"XRAY_S3_ENDPOINT": "http://127.0.0.1:1"}
    command = [sys.executable, "-m", "services.cli.main", "push", str(write_picture(tmp_path / "a_DV.png"))]
    answer = subprocess.run(
        [*command, "--centre", "JAX", "--specimen", "cli-3"],
        cwd=CLONE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 3
    assert "server unreachable" in answer.stderr
    assert "Traceback" not in answer.stderr


def read(cli: Cli, where: TopicPartition, offset: int) -> Any:
    consumer = KafkaConsumer(bootstrap_servers=cli.settings.kafka_bootstrap, enable_auto_commit=False)
    try:
        consumer.assign([where])
        consumer.seek(where, offset)
        return next(consumer)
    finally:
        consumer.close()


def end_of(cli: Cli, where: TopicPartition) -> int:
    consumer = KafkaConsumer(bootstrap_servers=cli.settings.kafka_bootstrap, enable_auto_commit=False)
    try:
        end: int = consumer.end_offsets([where])[where]
        return end
    finally:
        consumer.close()
