"""The local stack with its real servers: started twice, killed, repaired, tied to a process, interrupted."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import boto3
import psutil
import psycopg
import pytest
from botocore.exceptions import ClientError
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from deploy.local.errors import StackError
from deploy.local.servers.kafka import Kafka
from deploy.local.stack import Stack
from services.common.environment import CLONE, read_environment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SERVERS = ("kafka", "seaweedfs", "triton", "postgres")
UP = """
import sys, time
from pathlib import Path
from deploy.local.stack import Stack
stack = Stack(Path(sys.argv[1]), tied=sys.argv[2] == "tied")
stack.up(sys.argv[3:], progress=lambda *messages: print(": ".join(messages), flush=True))
print("all are up", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that these tests may kill."""
    servers = Stack(tmp_path_factory.mktemp("own"), tied=True)
    servers.up()
    yield servers
    servers.down()


def pids(stack: Stack) -> dict[str, int | None]:
    return {name: server.process.pid() for name, server in stack.servers.items()}


def processes_of(stack: Stack) -> list[psutil.Process]:
    return [member for server in stack.servers.values() for member in server.process.members()]


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


@pytest.mark.integration
def test_up_again_leaves_working_servers_alone(own: Stack) -> None:
    before, messages = pids(own), []
    assert None not in before.values()
    began = time.monotonic()
    own.up(progress=lambda server, text: messages.append((server, text)))
    assert time.monotonic() - began < 5
    assert pids(own) == before
    assert sorted(messages) == sorted((name, "already running") for name in SERVERS)
    assert {server.name: server.state for server in own.status()} == dict.fromkeys(SERVERS, "running")


@pytest.mark.integration
def test_every_port_is_on_loopback_only(own: Stack) -> None:
    connections = [each for member in processes_of(own) for each in member.net_connections(kind="inet")]
    listening = {each.laddr for each in connections if each.status == psutil.CONN_LISTEN}
    chosen = {port for server in own.servers.values() for port in server.ports.values()}
    assert {address.port for address in listening} >= chosen
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


@pytest.mark.integration
def test_the_environment_on_disk_is_that_of_the_stack(own: Stack) -> None:
    environment = own.environment()
    assert read_environment(own.folder.root) == environment
    assert sorted(environment) == [
        "XRAY_KAFKA_BOOTSTRAP",
        "XRAY_MODEL_REPOSITORY",
        "XRAY_POSTGRES_DSN",
        "XRAY_S3_ACCESS_KEY",
        "XRAY_S3_ENDPOINT",
        "XRAY_S3_SECRET_KEY",
        "XRAY_TRITON_GRPC",
        "XRAY_TRITON_HTTP",
        "XRAY_TRITON_METRICS",
    ]


@pytest.mark.integration
def test_stores_reject_clients_without_credentials(own: Stack) -> None:
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        s3({**own.environment(), "XRAY_S3_ACCESS_KEY": "guess"}).list_buckets()
    filer = http.client.HTTPConnection("127.0.0.1", own.servers["seaweedfs"].ports["filer"], timeout=5)
    filer.request("GET", "/buckets/")
    assert filer.getresponse().status == http.client.NOT_FOUND
    filer.close()
    dsn = own.environment()["XRAY_POSTGRES_DSN"]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn.replace("postgresql://xray:", "postgresql://xray:wrong"))


@pytest.mark.crash
@pytest.mark.parametrize("name", SERVERS)
def test_a_killed_server_is_repaired_with_its_data(own: Stack, name: str) -> None:
    environment = own.environment()
    DATA[name].write(environment)
    others = {other: pid for other, pid in pids(own).items() if other != name}
    own.kill(name)
    assert own.servers[name].process.pid() is None
    assert [server.state for server in own.status() if server.name == name] == ["stopped"]
    own.up()
    assert {server.name: server.state for server in own.status()} == dict.fromkeys(SERVERS, "running")
    assert {other: pid for other, pid in pids(own).items() if other != name} == others
    assert own.environment() == environment
    DATA[name].read(environment)


@pytest.mark.crash
def test_another_process_on_the_port_of_a_stopped_server_is_left_alone(own: Stack) -> None:
    before = own.servers["postgres"].ports["postgres"]
    own.stop("postgres")
    with socket.create_server(("127.0.0.1", before)) as stranger:
        own.start("postgres")
        assert stranger.fileno() >= 0
    assert own.servers["postgres"].ports["postgres"] != before
    assert own.environment()["XRAY_POSTGRES_DSN"] == read_environment(own.folder.root)["XRAY_POSTGRES_DSN"]
    assert [server.state for server in own.status()] == ["running"] * 4


@pytest.mark.crash
def test_down_finds_all_that_a_supervisor_killed_at_any_moment_left(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    for moment in ("postgres: creating the database", "kafka: formatting its data folder", "kafka: starting"):
        with supervisor(tmp_path, "free", "kafka", "postgres", "triton") as process:
            read_until(process, moment)
            process.kill()
        stack.down()
        assert processes_of(stack) == []
        assert pids(stack) == dict.fromkeys(SERVERS)
    stack.up(["kafka", "postgres"])
    assert {server.name for server in stack.status() if server.state == "running"} == {"kafka", "postgres"}
    stack.down()
    assert processes_of(stack) == []


@pytest.mark.crash
def test_tied_servers_die_with_a_killed_parent(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    with supervisor(tmp_path, "tied", "seaweedfs", "triton", "postgres") as process:
        read_until(process, "all are up")
        assert {"weed", "tritonserver", "postgres"} <= {member.name() for member in processes_of(stack)}
        process.kill()
    wait_until(lambda: not processes_of(stack), 20)
    watchdog = tmp_path / "watchdog.pid"
    wait_until(lambda: not psutil.pid_exists(int(watchdog.read_text(encoding="ascii").split()[0])), 5)


@pytest.mark.crash
def test_an_interrupted_up_stops_what_it_started_and_nothing_else(tmp_path: Path) -> None:
    environment = {**os.environ, "XRAY_STACK_FOLDER": str(tmp_path)}
    command = [sys.executable, "-m", "services.cli.main", "stack", "up"]
    stack = Stack(tmp_path)
    stack.up(["postgres"])
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=CLONE, env=environment) as process:
        read_until(process, "triton: starting")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert [name for name, pid in pids(stack).items() if pid is not None] == ["postgres"]
    assert {member.name() for member in processes_of(stack)} == {"postgres"}
    stack.down()


@pytest.mark.crash
def test_a_server_that_cannot_start_is_named_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    properties = Kafka._properties
    monkeypatch.setattr(Kafka, "_properties", lambda kafka: properties(kafka) + "log.cleaner.threads=none\n")
    with pytest.raises(StackError) as caught:
        Stack(tmp_path, tied=True).up(["kafka"])
    assert caught.value.server == "kafka"
    assert "Invalid value none for configuration log.cleaner.threads" in "\n".join(caught.value.last_lines)
    assert str(tmp_path / "logs" / "kafka.log") in caught.value.remedy


def supervisor(folder: Path, tied: str, *servers: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", UP, str(folder), tied, *servers]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CLONE)


def read_until(process: subprocess.Popen[str], text: str) -> None:
    for line in process.stdout or process.stderr or ():
        if text in line:
            return
    pytest.fail(f"it exited without printing {text!r}")


def s3(environment: dict[str, str]) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=environment["XRAY_S3_ENDPOINT"],
        aws_access_key_id=environment["XRAY_S3_ACCESS_KEY"],
        aws_secret_access_key=environment["XRAY_S3_SECRET_KEY"],
        region_name="us-east-1",
    )


class Data(Protocol):
    """Data that a server must still have after a crash."""

    @classmethod
    def write(cls, environment: dict[str, str]) -> None: ...

    @classmethod
    def read(cls, environment: dict[str, str]) -> None: ...


class Log:
    """A message in Kafka of almost the maximum size."""

    message = b"x-ray" * 4_000_000

    @classmethod
    def write(cls, environment: dict[str, str]) -> None:
        bootstrap = environment["XRAY_KAFKA_BOOTSTRAP"]
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        admin.create_topics({"kept": {"num_partitions": 1, "replication_factor": 1}})
        admin.close()
        producer = KafkaProducer(bootstrap_servers=bootstrap, max_request_size=24_000_000)
        producer.send("kept", cls.message).get(timeout=30)
        producer.close()

    @classmethod
    def read(cls, environment: dict[str, str]) -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=environment["XRAY_KAFKA_BOOTSTRAP"],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=20_000,
        )
        consumer.assign([TopicPartition("kept", 0)])
        assert next(consumer).value == cls.message
        consumer.close()


class Objects:
    """An object in SeaweedFS."""

    body = bytes(range(256)) * 600

    @classmethod
    def write(cls, environment: dict[str, str]) -> None:
        s3(environment).create_bucket(Bucket="kept")
        s3(environment).put_object(Bucket="kept", Key="a/b", Body=cls.body)

    @classmethod
    def read(cls, environment: dict[str, str]) -> None:
        assert s3(environment).get_object(Bucket="kept", Key="a/b")["Body"].read() == cls.body


class Rows:
    """A row in PostgreSQL."""

    @classmethod
    def write(cls, environment: dict[str, str]) -> None:
        with psycopg.connect(environment["XRAY_POSTGRES_DSN"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 'mouse' AS word")

    @classmethod
    def read(cls, environment: dict[str, str]) -> None:
        with psycopg.connect(environment["XRAY_POSTGRES_DSN"]) as connection:
            assert connection.execute("SELECT word FROM kept").fetchall() == [("mouse",)]


class Models:
    """The models that Triton serves."""

    before: ClassVar[list[dict[str, str]]] = []

    @classmethod
    def write(cls, environment: dict[str, str]) -> None:
        cls.before = model_index(environment)
        assert cls.before

    @classmethod
    def read(cls, environment: dict[str, str]) -> None:
        assert model_index(environment) == cls.before


def model_index(environment: dict[str, str]) -> list[dict[str, str]]:
    host, port = environment["XRAY_TRITON_HTTP"].removeprefix("http://").split(":")
    triton = http.client.HTTPConnection(host, int(port), timeout=5)
    triton.request("POST", "/v2/repository/index")
    index: list[dict[str, str]] = json.loads(triton.getresponse().read())
    triton.close()
    return sorted(index, key=lambda entry: entry["name"])


DATA: dict[str, type[Data]] = {"kafka": Log, "seaweedfs": Objects, "triton": Models, "postgres": Rows}
