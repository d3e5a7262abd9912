"""The parts of `xray stack` that need no servers; the rest is in tests/integration/test_stack.py."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.errors import StackError
from deploy.local.folder import StackFolder
from deploy.local.stack import Stack
from services.cli.stack import app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XRAY_STACK_FOLDER", str(tmp_path / "stack"))
    return tmp_path / "stack"


@pytest.fixture
def stopped(folder: Path) -> Stack:
    """A stack that was up once."""
    stack = Stack(folder)
    stack.folder.create()
    for server in stack.servers.values():
        stack.folder.choose_ports(server.name, server.port_names)
    return stack


@pytest.mark.usefixtures("stopped")
def test_status_of_a_stopped_stack_fails_with_a_message() -> None:
    result = CliRunner().invoke(app, ["status", "--json"])
    assert result.exit_code == 1
    assert {server["name"]: server["state"] for server in json.loads(result.stdout)} == dict.fromkeys(
        ("kafka", "seaweedfs", "triton", "postgres"), "stopped"
    )
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 1
    assert result.stdout.count("stopped") == 4


@pytest.mark.usefixtures("folder")
def test_status_and_logs_without_a_stack_name_the_remedy() -> None:
    for command, remedy in (["status"], "xray stack up"), (["logs", "kafka"], "xray stack up --only kafka"):
        result = CliRunner().invoke(app, command)
        assert isinstance(result.exception, StackError)
        assert remedy in result.exception.remedy


def test_logs_shows_the_last_lines(folder: Path) -> None:
    log = StackFolder(folder).log("triton")
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n", encoding="utf-8")
    assert CliRunner().invoke(app, ["logs", "triton", "--lines", "2"]).stdout == "two\nthree\n"
    assert CliRunner().invoke(app, ["logs", "oracle"]).exit_code == 2


def test_passwords_are_not_shown(stopped: Stack) -> None:
    secrets = [stopped.folder.secret(name) for name in ("s3_secret_key", "postgres_password")]
    shown = CliRunner().invoke(app, ["status", "--json"]).stdout
    assert not any(secret in shown for secret in secrets)


def test_down_without_a_stack_is_not_an_error(folder: Path) -> None:
    assert CliRunner().invoke(app, ["down"]).exit_code == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    ("command", "text"),
    [("", "XRAY_STACK_FOLDER"), ("up", "--only"), ("down", "crash"), ("status", "--json"), ("logs", "--follow")],
)
def test_help_explains_itself(command: str, text: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={**os.environ, "COLUMNS": "200"})
    assert result.exit_code == 0
    assert text in result.stdout
