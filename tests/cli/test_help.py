"""The help page of every command: plain at 80 columns, fast, and without any library of a server or a training."""

import inspect
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli import groups
from services.cli.main import app
from services.common.environment import CLONE

HEAVY = ("kafka", "boto3", "numpy", "cv2", "torch", "psycopg", "tritonclient", "pydantic_settings", "rich.markdown")
MOST_CPU_SECONDS = 2.0
"""An idle machine needs 0.4 s; this allows for a busy one."""

_SCRIPT = f"""
import contextlib, io, json, os, sys
from services.cli.main import app
for line in sys.stdin:
    sys.stdout.flush()
    if os.fork() == 0:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            app(line.split() + ["--help"], prog_name="xray")
        print(json.dumps([line.strip(), [name for name in {HEAVY} if name in sys.modules]]))
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its words, with the loaded object."""
    for name, lazy in groups.COMMANDS.items():
        yield from walked(name, groups.load("xray", name, lazy, "serving"))


def walked(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    if isinstance(command, groups.LazyGroup):
        for name, lazy in command.commands_to_load.items():
            yield from walked(f"{path} {name}", groups.load(path, name, lazy, command.extra))
    else:
        for name, one in getattr(command, "commands", {}).items():
            yield from walked(f"{path} {name}", one)


def examples(command: Any) -> list[str]:
    """The commands of the block below `Examples:` in a docstring."""
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    block = text.partition("Examples:\n")[2]
    return [line.strip() for line in block.splitlines() if line.startswith("    ")]


COMMANDS = dict(commands())


def help_page(path: str) -> str:
    answer = CliRunner().invoke(app, [*path.split(), "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert answer.exit_code == 0, answer.output
    return answer.stdout


@pytest.mark.parametrize("path", COMMANDS)
def test_each_example_is_on_its_own_line(path: str) -> None:
    lines = [line.strip() for line in help_page(path).splitlines()]
    for example in examples(COMMANDS[path]):
        assert example in lines, f"{path}: {example}"


@pytest.mark.parametrize("path", COMMANDS)
def test_no_line_is_wider_than_80_columns(path: str) -> None:
    wide = [line for line in help_page(path).splitlines() if len(line) > 80]
    assert [line for line in wide if line.strip() not in examples(COMMANDS[path])] == []


@pytest.mark.parametrize(
    ("path", "usage"),
    [
        ("calls", "xray calls [OPTIONS] [SPECIMEN]"),
        ("calls list", "xray calls [OPTIONS] [SPECIMEN]"),
        ("calls export", "xray calls export [OPTIONS] {FILE}"),
        ("review", "xray review [OPTIONS] [SPECIMEN]"),
        ("review list", "xray review list [OPTIONS] [SPECIMEN]"),
    ],
)
def test_usage_shows_what_a_user_types(path: str, usage: str) -> None:
    answer = CliRunner().invoke(app, [*path.split(), "--help"], prog_name="xray")
    assert answer.stdout.splitlines()[0] == f"Usage: {usage}"


def test_no_help_page_loads_a_heavy_library() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        input="".join(f"{path}\n" for path in COMMANDS),
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(json.loads(line) for line in answer.stdout.splitlines())
    assert set(found) == set(COMMANDS)
    assert {path: modules for path, modules in found.items() if modules} == {}


@pytest.mark.parametrize("path", ["", "calls", "models", "push", "run", "train refresh", "demo"])
def test_a_help_page_takes_little_time(path: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "services.cli.main", *path.split(), "--help"]
    answer = subprocess.run(command, cwd=CLONE, env=dict(os.environ), capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert re.match(rf"\s*Usage: xray {path}", answer.stdout)
    assert after.ru_utime - before.ru_utime < MOST_CPU_SECONDS
