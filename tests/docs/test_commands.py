"""Every command of README and docs exists, is parsed by its program, and runs as far as it can without servers.

Each command of `xray` runs in a folder with example inputs. It must succeed, or stop because a server is unreachable.
For the commands in `HELP_ONLY`, `--help` runs instead. The commands of README and of the quick start also run on real
servers: see tests/integration/test_documented_commands.py.
"""

import re
import shlex
import tomllib
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Final

import pytest
from typer.exceptions import TyperException
from typer.testing import CliRunner

from services.cli.main import app
from services.common.errors import Retriable
from tests.deploy.compose_file import services
from tests.deploy.prometheus.test_playbook import parsed
from tests.docs.inputs import write_inputs
from tests.docs.reading import CLONE, Command, blocks, commands, simple_commands

COMMANDS = commands()
XRAY = [one for one in COMMANDS if one.words[0] == "xray"]
OURS = re.compile(r"^(xray|make|docker|kubectl|python|pip|uv|export) ", re.MULTILINE)
OTHERS: Final = {
    "connect-standalone.sh",
    "docker",
    "export",
    "git",
    "grep",
    "jq",
    "kafka-consumer-groups.sh",
    "kubectl",
    "pip",
    "pre-commit",
    "printf",
    "psql",
    "pytest",
    "source",
    "uv",
}
"""Programs that are not ours. Their commands do not run, but the files, profiles and packages that they name exist."""
HELP_ONLY: Final = {
    "stack up": "starts servers",
    "stack logs": "follows until it is interrupted",
    "stack status": "exits with 1 because no server runs",
    "doctor compose": "exits with 1 without a container engine",
    "demo": "starts servers",
    "chaos": "starts servers",
    "init": "waits for Kafka",
    "run": "runs until it is interrupted",
    "status": "waits for Kafka",
    "calls --follow": "waits for Kafka",
    "statistics": "waits for Kafka",
    "reconcile": "waits for Kafka",
    "references": "waits for Kafka",
    "push": "exits with 1 because the images cannot be stored",
    "models": "waits for Kafka and Triton",
    "backfill": "asks IMPC's server",
    "train models": "trains for hours",
    "train study": "trains for hours",
    "train variants": "trains for hours",
    "train combine": "trains for hours",
    "train refresh": "trains for hours",
    "train evaluate": "needs a trained run",
    "train export": "needs trained models",
    "train foreign": "needs a skeleton that is not part of this repository",
    "train landmarks": "needs a trained run",
    "train strangers": "simulates for an hour",
}
"""Prefixes of the commands that do not run here, and why. `push --dry-run` does: see `help_only`."""
NOWHERE: Final = {
    "XRAY_KAFKA_BOOTSTRAP": "127.0.0.1:9",
    "XRAY_S3_ENDPOINT": "http://127.0.0.1:9",
    "XRAY_S3_ACCESS_KEY": "nobody",
    "XRAY_TRITON_GRPC": "127.0.0.1:9",
    "XRAY_POSTGRES_DSN": "postgresql://xray@127.0.0.1:9/xray",
}
"""Addresses at which no server listens."""


def help_only(command: Command) -> str | None:
    """The prefix in `HELP_ONLY` that a command has, if any."""
    if "--dry-run" in command.options and command.words[1] == "push":
        return None
    words = {" ".join(command.words[1:3]), command.words[1]} | {f"{command.words[1]} {one}" for one in command.options}
    return next((one for one in HELP_ONLY if one in words), None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder, with example inputs and addresses at which no server listens."""
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XRAY_STACK_FOLDER", str(tmp_path / ".stack"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)


@pytest.mark.parametrize("command", [one for one in XRAY if not help_only(one)], ids=lambda one: one.line)
@pytest.mark.usefixtures("folder")
def test_xray_runs_the_command(command: Command) -> None:
    answer = CliRunner().invoke(app, list(command.words[1:]))
    assert answer.exit_code == 0 or isinstance(answer.exception, Retriable), f"{answer.exception!r}\n{answer.output}"


@pytest.mark.parametrize("line", sorted({" ".join(path) for one in XRAY if (path := one.path)}))
def test_xray_explains_the_command(line: str) -> None:
    answer = CliRunner().invoke(app, [*line.split(), "--help"], prog_name="xray")
    assert answer.exit_code == 0, answer.output
    assert f"Usage: xray {line} " in answer.output


def test_every_exception_is_used() -> None:
    assert {help_only(one) for one in XRAY} - {None} == set(HELP_ONLY)


@pytest.mark.parametrize("command", XRAY, ids=lambda one: one.line)
def test_xray_knows_the_command(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word.replace("/data", str(tmp_path / "data")) for word in command.words]
    for word in words[1:]:
        if not word.startswith("-"):
            folder = Path(word).parent if word.endswith(".csv") else Path(word)
            folder.mkdir(parents=True, exist_ok=True)
            if word.endswith(".csv"):
                Path(word).touch()
    parsed(shlex.join(words))


@pytest.mark.parametrize("line", ["xray stack status --colour red", "xray train evaluate nowhere --out x"])
def test_xray_does_not_know_another(line: str) -> None:
    with pytest.raises(TyperException):
        parsed(line)


def test_shell_blocks_are_marked_as_bash() -> None:
    for block in blocks():
        if block.language in ("", "text"):
            assert not OURS.search(block.text), f"{block.page}: write ```bash above\n{block.text}"


def test_lines_are_split_into_commands() -> None:
    line = """A=1 xray calls --json | jq '.a | .b' && make demo & # and so on"""
    assert list(simple_commands(line)) == [("xray", "calls", "--json"), ("jq", ".a | .b"), ("make", "demo")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.line)
def test_the_program_is_known(command: Command) -> None:
    assert command.words[0] in OTHERS | {"xray", "make", "python"}, f"{command.page}: unknown program"


def test_targets_of_make_modules_and_files_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CLONE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for command in COMMANDS:
        program, *rest = command.words
        if program == "make":
            assert set(rest) <= targets, command.line
        if program == "python":
            assert find_spec(rest[1]) if rest[0] == "-m" else (CLONE / rest[0]).is_file(), command.line
        for path in re.findall(r"(?<![\w.])(?:deploy|examples|services|tests|training)/[\w./-]+\w", command.line):
            generated = path.startswith("training/runs/")
            assert generated or (CLONE / path).exists(), f"{command.page}: no {path}"


def test_pip_installs_packages_that_the_project_declares() -> None:
    project = tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [project["name"], *project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[\[=<>~]", one)[0] for one in declared}
    for command in COMMANDS:
        if command.words[0] == "pip":
            assert {re.split(r"[\[=<>~]", one)[0] for one in command.words[2:]} <= names, command.line


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.words[:2] == ("docker", "compose")], ids=lambda c: c.line)
def test_compose_knows_the_containers(command: Command) -> None:
    rest = [word for word in command.words[2:] if not word.startswith("-") and not word.isdigit()]
    verbs = {"ps", "logs", "up", "down", "restart", "stop", "run", "exec", "build"}
    profiles = {profile for service in services().values() for profile in service.get("profiles", [])}
    assert {word.partition("=")[0] for word in rest} <= {*verbs, *services(), *profiles}
