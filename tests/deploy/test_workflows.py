"""The workflows of GitHub: valid, and with commands that exist."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose_file import CLONE, explained_variables, services
from tests.deploy.prometheus.test_playbook import PROGRAM, parsed
from tests.docs.reading import simple_commands

FOLDER = CLONE / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
SHELL = {"if", "then", "fi", "exit"}
PROGRAMS = {"docker", "jq", "diff", "sudo", ".ci/run"}
VERBS = {"up", "down", "run", "ps", "logs", "version"}


def workflow(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return document


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(file.read_text())["jobs"].values() for step in job["steps"]]


def commands(file: Path) -> list[tuple[str, ...]]:
    """Each command of the steps, without the shell's own words, variables that are set before it and files after >."""
    lines = [line.strip() for step in steps(file) for line in step.get("run", "").splitlines()]
    lines = [re.sub(r"^if (\w+=\S+ )?| > [\w.]+$", "", line) for line in lines]
    return [words for line in lines for words in simple_commands(line) if words[0] not in SHELL]


COMPOSE = [words for words in commands(FOLDER / "containers.yml") if words[:2] == ("docker", "compose")]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_it_follows_the_schema(file: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
    answer = subprocess.run(check, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_its_programs_are_known_and_it_only_reads_the_repository(file: Path) -> None:
    assert {words[0] for words in commands(file)} <= PROGRAMS
    assert yaml.safe_load(file.read_text())["permissions"] == {"contents": "read"}
    assert all(
        re.fullmatch(r"actions/\w[\w-]+@(v\d+|[0-9a-f]{40})", step["uses"]) for step in steps(file) if "uses" in step
    )


@pytest.mark.parametrize("words", COMPOSE, ids=" ".join)
def test_compose_knows_its_verbs_and_containers(words: tuple[str, ...]) -> None:
    rest = [word for word in words[2:] if not word.startswith("-") and not word.isdigit()]
    if words[2:4] == ("--profile", "demo"):
        rest.remove("demo")
    assert rest[0] in VERBS
    if rest[0] == "run":
        entry = services()[rest[1]].get("entrypoint", PROGRAM)
        command = words[words.index(rest[1], words.index("run")) + 1 :]
        if command and entry == PROGRAM:
            parsed(" ".join(("xray", *command)))
    else:
        assert set(rest[1:]) <= set(services())


def test_both_architectures_start_twice_with_a_demo_each_time() -> None:
    (job,) = workflow("containers")["jobs"].values()
    assert job["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    verbs = [next(word for word in words[2:] if word in VERBS) for words in COMPOSE]
    assert verbs.count("up") == 2
    assert verbs.index("down") > verbs.index("up")
    assert sum("demo" in words and "run" in words for words in COMPOSE) == 2
    assert set(workflow("containers")["env"]) <= set(explained_variables())


def test_up_waits_for_containers_that_exit_only_if_another_waits_for_them() -> None:
    """Otherwise `docker compose up --wait` takes the end of such a container for a failure."""
    started = {name: service for name, service in services().items() if "profiles" not in service}
    awaited = {
        name
        for service in started.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert {name for name, service in started.items() if service["restart"] == "no"} == awaited
