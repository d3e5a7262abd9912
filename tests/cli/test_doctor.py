"""`xray doctor` as a command: its output and exit code."""

import json

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from services.operations.doctor import DEFAULT_PASSWORDS


def test_default_passwords_on_an_open_address_exit_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISH_ADDRESS", "0.0.0.0")
    for name in DEFAULT_PASSWORDS:
        monkeypatch.delenv(name, raising=False)
    answer = CliRunner().invoke(app, ["doctor", "passwords", "--json"])
    assert answer.exit_code == 1
    findings = json.loads(answer.stdout)
    assert len(findings) == len(DEFAULT_PASSWORDS)
    assert set(findings[0]) == {"subject", "message", "remedy", "fails"}
    assert "POSTGRES_PASSWORD" in CliRunner().invoke(app, ["doctor", "passwords"]).stdout


def test_passwords_of_ones_own_exit_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISH_ADDRESS", "0.0.0.0")
    for name in DEFAULT_PASSWORDS:
        monkeypatch.setenv(name, "s3cret")
    answer = CliRunner().invoke(app, ["doctor", "passwords"])
    assert (answer.exit_code, answer.stdout) == (0, "passwords: nothing is missing\n")


@pytest.mark.parametrize("target", ["stack", "compose"])
def test_this_machine_is_checked(target: str) -> None:
    """Whatever it lacks, each finding has a remedy, and the exit code follows from the findings."""
    answer = CliRunner().invoke(app, ["doctor", target, "--json"])
    findings = json.loads(answer.stdout)
    assert all(one["remedy"] for one in findings)
    assert answer.exit_code == int(any(one["fails"] for one in findings))
