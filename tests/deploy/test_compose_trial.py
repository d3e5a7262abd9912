"""The trial's names against those of the compose file and the Dockerfiles; the trial itself needs an engine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.containers.trial.__main__ import OURS
from deploy.containers.trial.standins import ABSENT, SERVERS, image, variables
from tests.deploy.compose_file import CLONE, compose_with, explained_variables, services
from tests.deploy.dockerfile import stages

FOLDER = CLONE / "deploy" / "containers"
SCRIPTS = [path for path in sorted(FOLDER.rglob("*")) if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")]


def test_stand_ins_take_the_place_of_every_third_party_image() -> None:
    assert set(variables()) <= set(explained_variables())
    third_party = {name for name, service in services().items() if "build" not in service}
    assert third_party - set(ABSENT) == set(SERVERS)
    replaced = compose_with(variables())["services"]
    assert {name: replaced[name]["image"] for name in SERVERS} == {name: image(name) for name in SERVERS}


def test_nothing_waits_for_what_is_left_out() -> None:
    assert not [name for name, one in services().items() if set(ABSENT) & set(one.get("depends_on", ()))]


def test_every_stand_in_has_its_stage() -> None:
    names = re.findall(r"^FROM \S+ AS (\S+)$", (FOLDER / "standins" / "Dockerfile").read_text(), re.MULTILINE)
    assert tuple(names) == SERVERS


def test_all_our_images_are_built_and_put_in_place() -> None:
    assert set(OURS) <= set(stages())
    replaced = compose_with({variable: target for target, variable in OURS.items()} | variables())["services"]
    ours = {service["image"] for service in replaced.values() if "build" in service and not _trains(service)}
    assert ours == set(OURS)


def test_stand_ins_run_as_the_users_of_the_compose_file() -> None:
    text = (FOLDER / "standins" / "Dockerfile").read_text()
    for name in SERVERS:
        (stage,) = re.findall(rf" AS {name}\n(.*?)(?:\nFROM|\Z)", text, re.DOTALL)
        user = services()[name]["user"].split(":")[0]
        assert f"install -d -o {user} -g {user}" in stage


def _trains(service: dict[str, Any]) -> bool:
    """Whether it is of a profile that needs the training image, which the trial does not build."""
    return bool({"gpu", "refresh"} & set(service.get("profiles", [])))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound(script: Path) -> None:
    assert script.stat().st_mode & 0o111, "not executable"
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert "set -eu" in script.read_text() or "exec " in script.read_text()
