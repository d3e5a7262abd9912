"""What `pip install` installs: all data files, type information, and an `xray` that names the extra it needs."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALLED = ("services/", "training/", "deploy/local/")
"""Folders whose programs run from an installed package. The rest of deploy/ needs a clone."""


def tracked(folder: str) -> set[str]:
    answer = subprocess.run(["git", "ls-files", folder], cwd=CLONE, capture_output=True, text=True, check=True)
    return {name for name in answer.stdout.splitlines() if (CLONE / name).is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel that is built from the tracked files, without network access."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    metadata = {"pyproject.toml", "README.md", "LICENSE"}
    for name in metadata.union(*(tracked(package) for package in ("services", "training", "deploy"))):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((CLONE / name).read_bytes())
    build = "import setuptools.build_meta as backend; backend.build_wheel('..')"
    answer = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("folder", INSTALLED)
def test_the_wheel_holds_every_file_of(folder: str, wheel: set[str]) -> None:
    assert tracked(folder) - wheel == set()


def test_the_wheel_holds_every_module_and_no_tests(wheel: set[str]) -> None:
    assert {name for name in tracked("deploy") if name.endswith(".py")} <= wheel
    assert {name.split("/")[0] for name in wheel if ".dist-info/" not in name} == {"services", "training", "deploy"}


@pytest.mark.parametrize("package", ["services", "training", "deploy"])
def test_the_packages_are_typed(package: str, wheel: set[str]) -> None:
    assert f"{package}/py.typed" in wheel


@pytest.mark.parametrize("clone", [True, False])
def test_xray_names_the_extra_that_it_needs(*, clone: bool, tmp_path: Path) -> None:
    """Only the base dependencies are importable: a finder refuses the libraries of the command line."""
    program = f"""
import sys
from pathlib import Path
from services.common import environment

environment.CLONE = Path({str(CLONE if clone else tmp_path)!r})

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("typer", "rich", "click"):
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Refusing())
from services.cli.entry import main
main()
"""
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=CLONE, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1
    install = "make setup" if clone else f"pip install '{PROJECT['name']}[serving]'"
    assert f"run `{install}`" in answer.stderr
    assert any(one.startswith("typer") for one in PROJECT["optional-dependencies"]["serving"])
