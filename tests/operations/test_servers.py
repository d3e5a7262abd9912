"""Dead servers are found quickly; the message names their setting and explains how to start a local stack."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from services.cli import main
from services.common.errors import Retriable
from services.common.settings import Settings, settings_of
from services.operations import servers

DEAD = {
    "XRAY_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "XRAY_S3_ENDPOINT": "http://127.0.0.1:1",
    "XRAY_TRITON_GRPC": "127.0.0.1:1",
    "XRAY_POSTGRES_DSN": "postgresql://xray@127.0.0.1:1/xray",
}
QUICK_SECONDS = 10.0
SILENT_SECONDS = 5.0


@pytest.fixture
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_STACK_FOLDER", str(tmp_path))
    for name, value in DEAD.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def listener() -> Iterator[int]:
    """A server that accepts connections, reads nothing and sends nothing, as a frozen process does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(params=[b"?", b""], ids=["sends", "ends the connection"])
def answering(request: pytest.FixtureRequest) -> Iterator[int]:
    """A server that answers each greeting, or ends the connection, as one behind TLS does."""

    def answer(server: socket.socket) -> None:
        while True:
            with server.accept()[0] as connection:
                connection.recv(1)
                connection.sendall(request.param)

    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=answer, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def silent(port: int) -> dict[str, str]:
    return {name: value.replace(":1", f":{port}") for name, value in DEAD.items()}


@pytest.mark.usefixtures("nothing_runs")
def test_status_with_nothing_running_shows_every_server_and_how_to_start_one() -> None:
    started = time.monotonic()
    answer = CliRunner().invoke(main.app, ["status"])
    assert time.monotonic() - started < QUICK_SECONDS
    assert answer.exit_code == 1
    for name, setting in zip(("kafka", "s3", "triton", "postgres"), servers.SERVERS.values(), strict=True):
        (line,) = [line for line in answer.stdout.splitlines() if line.split()[:1] == [name]]
        assert "unreachable" in line
        assert f"({setting}): Connection refused" in line
    assert "`xray stack up`" in answer.stderr
    document = json.loads(CliRunner().invoke(main.app, ["status", "--json"]).stdout)
    assert [one["reachable"] for one in document["servers"]] == [False] * 4


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("command", "setting"),
    [
        ("init", "XRAY_KAFKA_BOOTSTRAP"),
        ("calls", "XRAY_POSTGRES_DSN"),
        ("calls --follow", "XRAY_KAFKA_BOOTSTRAP"),
        ("specimens", "XRAY_POSTGRES_DSN"),
        ("rejections list", "XRAY_POSTGRES_DSN"),
        ("rejections replay --reason blank", "XRAY_KAFKA_BOOTSTRAP"),
        ("review 1 --normal Spine", "XRAY_KAFKA_BOOTSTRAP"),
        ("review list", "XRAY_POSTGRES_DSN"),
        ("statistics", "XRAY_KAFKA_BOOTSTRAP"),
        ("reconcile", "XRAY_KAFKA_BOOTSTRAP"),
        ("trace 1", "XRAY_POSTGRES_DSN"),
        ("reprocess --dry-run", "XRAY_KAFKA_BOOTSTRAP"),
        ("models list", "XRAY_TRITON_GRPC"),
        ("models rollback --why x", "XRAY_KAFKA_BOOTSTRAP"),
    ],
)
def test_a_command_names_the_dead_server_quickly(
    command: str, setting: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("XRAY_DEBUG", raising=False)
    monkeypatch.setattr("sys.argv", ["xray", *command.split()])
    started = time.monotonic()
    with pytest.raises(SystemExit) as exit_:
        main.main()
    assert time.monotonic() - started < QUICK_SECONDS
    error = capsys.readouterr().err
    assert exit_.value.code == 3
    assert error.startswith("xray: server unreachable: ")
    assert setting in error
    assert "no local stack is running; `xray stack up` starts one" in error


@pytest.mark.parametrize("command", ["calls", "calls --follow", "models list"])
def test_a_command_names_the_silent_server_within_five_seconds(
    command: str, listener: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XRAY_STACK_FOLDER", str(tmp_path))
    for name, value in silent(listener).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["xray", *command.split()])
    started = time.monotonic()
    with pytest.raises(SystemExit) as exit_:
        main.main()
    assert time.monotonic() - started < SILENT_SECONDS
    assert exit_.value.code == 3
    assert f"does not answer at 127.0.0.1:{listener} (XRAY_" in capsys.readouterr().err


def test_status_names_each_silent_server_within_five_seconds(
    listener: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XRAY_STACK_FOLDER", str(tmp_path))
    for name, value in silent(listener).items():
        monkeypatch.setenv(name, value)
    started = time.monotonic()
    answer = CliRunner().invoke(main.app, ["status", "--json"])
    assert time.monotonic() - started < SILENT_SECONDS
    assert answer.exit_code == 1
    found = json.loads(answer.stdout)["servers"]
    assert len(found) == 4
    for one, setting in zip(found, servers.SERVERS.values(), strict=True):
        assert one["reachable"]
        assert f"({setting}): it accepts connections, but sent nothing for 3 s" in one["problem"]


def test_a_server_that_answers_is_available(answering: int) -> None:
    settings = settings_of(DEAD | {"XRAY_KAFKA_BOOTSTRAP": f"127.0.0.1:1,127.0.0.1:{answering}"})
    servers.require(settings, "kafka")
    assert [one.name for one in servers.unavailable(settings)] == ["objects", "triton", "postgres"]
    with pytest.raises(Retriable, match=r"S3 is unreachable at 127\.0\.0\.1:1 \(XRAY_S3_ENDPOINT\)") as caught:
        servers.require(settings, "kafka", "objects")
    assert caught.value.server == "objects"


@pytest.mark.parametrize(
    ("dsn", "found"),
    [
        ("postgresql://x@a:1,b:2/x", [("a", 1), ("b", 2)]),
        ("host=a,b port=7 dbname=x", [("a", 7), ("b", 7)]),
        ("postgresql://x@a/x", [("a", 5432)]),
        ("host=/run/postgresql dbname=x", []),
        ("dbname=x", []),
        ("no connection string", []),
    ],
)
def test_addresses_of_postgres(dsn: str, found: list[tuple[str, int]]) -> None:
    assert servers.addresses(settings_of({"XRAY_POSTGRES_DSN": dsn}), "postgres") == found


@pytest.mark.parametrize(
    ("url", "found"), [("https://s3.example", [("s3.example", 443)]), ("http://a:8333", [("a", 8333)]), ("a:1", [])]
)
def test_addresses_of_object_storage(url: str, found: list[tuple[str, int]]) -> None:
    assert servers.addresses(settings_of({"XRAY_S3_ENDPOINT": url}), "objects") == found


def test_the_stack_is_advised_only_where_servers_are_expected_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: int
) -> None:
    monkeypatch.setenv("XRAY_STACK_FOLDER", str(tmp_path))
    remote = {name: value.replace("127.0.0.1", "elsewhere.example") for name, value in DEAD.items()}
    assert servers.stack_advice(settings_of(remote)) is None
    assert servers.stack_advice(Settings.model_construct(**settings_of(DEAD).model_dump())) is not None
    (tmp_path / "environment").write_text(f"XRAY_KAFKA_BOOTSTRAP=127.0.0.1:{listener}\n")
    assert servers.stack_advice(settings_of(DEAD)) is None


def test_a_store_behind_a_proxy_is_left_to_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(DEAD | {"XRAY_S3_ENDPOINT": "https://store.invalid"})
    assert servers.addresses(settings, "objects") == [("store.invalid", 443)]
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert servers.addresses(settings, "objects") == []
    monkeypatch.setenv("no_proxy", "store.invalid")
    assert servers.addresses(settings, "objects") == [("store.invalid", 443)]


def test_addresses_are_read_as_the_clients_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    settings = settings_of(
        DEAD | {"XRAY_POSTGRES_DSN": "host=db dbname=xray", "XRAY_TRITON_GRPC": "dns:///triton:8001"}
    )
    assert servers.addresses(settings, "postgres") == [("db", 6543)]
    assert servers.addresses(settings, "triton") == [("triton", 8001)]
