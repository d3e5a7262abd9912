"""The trial's names compared with those of the compose file; the trial itself needs a container engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.containers import trial
from services.common.topology import SERVICES
from tests.deploy.compose_file import CLONE, explained_variables, services
from tests.deploy.dockerfile import stages

FOLDER = CLONE / "deploy" / "containers"
SCRIPTS = [path for path in sorted(FOLDER.rglob("*")) if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")]


def test_every_variable_that_it_sets_exists() -> None:
    names = {"DEMO_SPECIMENS", *(f"{name}_PORT" for name in trial.PORTS)}
    assert names <= set(explained_variables())
    assert {name for name in explained_variables() if name.endswith("_PORT")} <= names


def test_it_builds_a_triton_image_that_exists() -> None:
    target = services()["triton"]["build"]["target"]
    assert target == "triton-wheel"
    assert target in stages()


def test_it_expects_every_target_of_prometheus() -> None:
    jobs = yaml.safe_load((CLONE / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert len(SERVICES) + len(jobs) - 1 == trial._TARGETS  # All services are one job.


def test_it_knows_the_default_password() -> None:
    password = services()["postgres"]["environment"]["POSTGRES_PASSWORD"]
    assert f"xray:{password}@" in Path(trial.__file__).read_text()


def test_without_docker_the_error_names_what_to_install(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "deploy.containers.trial"]
    ended = subprocess.run(
        program, cwd=CLONE, env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert "install Docker Engine and Docker Compose" in ended.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound(script: Path) -> None:
    assert script.stat().st_mode & 0o111, "not executable"
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert "set -eu" in script.read_text() or "exec " in script.read_text()
