"""docker-compose.yml against the official schema and Compose's own loader, the Dockerfile against its linter.

The loader needs Go and is skipped without it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.compose_file import CLONE, COMPOSE
from tests.deploy.dockerfile import DOCKERFILE

LOADER = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2"
Check = Callable[[Path], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def schema() -> Check:
    """The compose specification's JSON schema, as check-jsonschema carries it."""
    return lambda file: _run(
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)
    )


def test_the_file_follows_the_schema(schema: Check) -> None:
    answer = schema(COMPOSE)
    assert answer.returncode == 0, answer.stdout


def test_the_schema_is_strict(schema: Check, tmp_path: Path) -> None:
    answer = schema(_misspelt(tmp_path))
    assert answer.returncode == 1
    assert "healthchek" in answer.stdout


@pytest.mark.parametrize("file", [DOCKERFILE, DOCKERFILE.parent / "standins" / "Dockerfile"], ids=["ours", "stand-ins"])
def test_dockerfiles_pass_their_linter(file: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    answer = _run(str(hadolint), "--no-color", str(file))
    assert answer.returncode == 0, answer.stdout


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """compose-go, which Docker Compose reads its files with, compiled through the Go module proxy."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    folder = tmp_path_factory.mktemp("loader")
    try:
        built = _run(go, "install", LOADER, timeout=280, GOBIN=str(folder), GOFLAGS="-modcacherw")
    except subprocess.TimeoutExpired:
        pytest.skip("compose-go took too long to compile")
    if built.returncode != 0:
        pytest.skip(f"compose-go could not be had: {built.stderr[-500:]}")
    return lambda file: _run(str(folder / "cmd"), str(file))


@pytest.mark.integration
def test_compose_itself_loads_the_file(loader: Check) -> None:
    answer = loader(COMPOSE)
    assert answer.returncode == 0, answer.stderr
    assert "services.common.health" in answer.stdout


@pytest.mark.integration
def test_compose_itself_is_strict(loader: Check, tmp_path: Path) -> None:
    answer = loader(_misspelt(tmp_path))
    assert answer.returncode != 0
    assert "healthchek" in answer.stdout + answer.stderr


def _misspelt(folder: Path) -> Path:
    wrong = folder / "docker-compose.yml"
    wrong.write_text(COMPOSE.read_text().replace("healthcheck:", "healthchek:", 1))
    return wrong


def _run(*command: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=CLONE, timeout=timeout, env=os.environ | environment
    )
