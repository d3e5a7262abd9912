"""The command prints the example of docs/centres.md, and the page's commands exist."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from services.cli.main import app

PAGE = (Path(__file__).parents[3] / "docs" / "centres.md").read_text(encoding="utf-8")
COMMANDS = sorted({line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()})


def test_the_example_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (xml,) = re.findall(r"```xml\n(.*?)```", PAGE, re.DOTALL)
    shown = re.search(r"Then the dry run prints\n\n```\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    (tmp_path / "day.xml").write_text(xml, encoding="utf-8")
    (tmp_path / "scans").mkdir()
    for name in ("A-17_dv", "A-17_lat", "A-18"):
        (tmp_path / "scans" / f"{name}.dcm").write_bytes(b"x")
    answer = CliRunner().invoke(app, ["push", "--dcc", "day.xml", "--dry-run"])
    assert answer.exit_code == 1
    output = [line.rstrip() for line in (answer.stderr + answer.stdout).splitlines()]
    assert [line for line in shown[1].splitlines() if line not in output] == []


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_parse(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, *arguments = [str(tmp_path) if word == "/data/xrays" else word for word in shlex.split(line)]
    group = get_command(app)
    with group.make_context("xray", [arguments[0]], resilient_parsing=True) as context:
        name, command, _ = group.resolve_command(context, arguments)  # type: ignore[attr-defined]
        assert command is not None
        command.make_context(name, arguments[1:])
