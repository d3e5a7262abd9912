"""Every command of README and docs exists, and a named test runs it or it says why none does."""

from __future__ import annotations

import ast
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.exceptions import TyperException

from tests.deploy.compose_file import services
from tests.deploy.prometheus.test_playbook import parsed
from tests.docs.commands import TESTS
from tests.docs.reading import CLONE, Command, blocks, commands, simple_commands

COMMANDS = commands()
XRAY = [one for one in COMMANDS if one.words[0] == "xray"]
OURS = re.compile(r"^(xray|make|docker|kubectl|python|pip|uv|export) ", re.MULTILINE)


def key_of(command: Command) -> str | None:
    """The longest key of the table that stands for a command."""

    def fits(key: str) -> bool:
        words = [word for word in key.split() if not word.startswith("-") or word == "-m"]
        wanted = {word for word in key.split() if word.startswith("-")}
        return list(command.words[: len(words)]) == words and wanted <= set(command.options)

    return max((key for key in TESTS if fits(key)), key=lambda key: len(key.split()), default=None)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.line)
def test_a_test_runs_it_or_it_says_why_not(command: Command) -> None:
    key = key_of(command)
    assert key is not None, f"{command.page}: tests/docs/commands.py does not know `{command.line}`"
    if TESTS[key].startswith("not run: "):
        return
    source = (CLONE / TESTS[key].partition("::")[0]).read_text(encoding="utf-8")
    lacking = [option for option in command.options if f'"{option}"' not in source and option not in ("-m", "--json")]
    assert command.words[0] != "xray" or not lacking, f"{TESTS[key]} does not use {lacking}"


@pytest.mark.parametrize("test", sorted({test for test in TESTS.values() if not test.startswith("not run: ")}))
def test_the_named_tests_exist(test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((CLONE / file).read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name in functions if name else functions


@pytest.mark.parametrize("words", [words for words in TESTS.values() if words.startswith("not run: ")])
def test_reasons_name_files_that_exist(words: str) -> None:
    for path in re.findall(r"tests/[\w/.]*\w", words):
        assert (CLONE / path).exists()


def test_no_line_of_the_table_is_left_over() -> None:
    assert set(TESTS) == {key_of(command) for command in COMMANDS}


def test_shell_blocks_say_that_they_are() -> None:
    for block in blocks():
        if block.language in ("", "text"):
            assert not OURS.search(block.text), f"{block.page}: write ```bash above\n{block.text}"


def test_lines_are_taken_apart() -> None:
    line = """A=1 xray calls --json | jq '.a | .b' && make demo & # and so on"""
    assert list(simple_commands(line)) == [("xray", "calls", "--json"), ("jq", ".a | .b"), ("make", "demo")]


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


def test_targets_of_make_modules_and_files_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CLONE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for command in COMMANDS:
        program, *rest = command.words
        if program == "make":
            assert set(rest) <= targets, command.line
        if program == "python":
            assert find_spec(rest[1]) if rest[0] == "-m" else (CLONE / rest[0]).is_file(), command.line
        for path in re.findall(r"(?<![\w.])(?:deploy|examples|services|tests|training)/[\w./-]+\w", command.line):
            made = path.startswith("training/runs/")
            assert made or (CLONE / path).exists(), f"{command.page}: no {path}"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.words[:2] == ("docker", "compose")], ids=lambda c: c.line)
def test_compose_knows_the_containers(command: Command) -> None:
    rest = [word for word in command.words[2:] if not word.startswith("-") and not word.isdigit()]
    verbs = {"ps", "logs", "up", "down", "restart", "stop", "run", "exec", "build"}
    profiles = {profile for service in services().values() for profile in service.get("profiles", [])}
    assert {word.partition("=")[0] for word in rest} <= {*verbs, *services(), *profiles}
