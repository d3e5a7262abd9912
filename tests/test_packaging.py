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
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of a wheel that is built from the tracked files, without network access."""
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
        archive.extractall(folder / "installed")
    return folder / "installed"


@pytest.fixture(scope="module")
def wheel(installed: Path) -> set[str]:
    """Names of the files in the wheel."""
    return {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}


def run_installed(installed: Path, folder: Path, program: str) -> list[str]:
    """Run a program in a folder with the installed package instead of the clone; return the lines that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(folder / "cache")}
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


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


def test_an_installed_xray_keeps_its_files_outside_the_package(installed: Path, tmp_path: Path) -> None:
    program = """
from deploy.local.folder import CACHE
from services.common.environment import stack_folder
from training.export.targets import REPOSITORY
from training.train.configuration import RUNS
print(CACHE, stack_folder(), REPOSITORY, RUNS, sep="\\n")
"""
    expected = ["cache/xray/stack", ".stack", "model_repository", "training/runs"]
    assert run_installed(installed, tmp_path, program) == [str(tmp_path / one) for one in expected]


def test_errors_of_an_installed_stack_name_the_command_that_installs_what_is_missing(
    installed: Path, tmp_path: Path
) -> None:
    program = f"""
import importlib.util, os
from pathlib import Path
from deploy.local.errors import StackError
from deploy.local.folder import check_clone
from deploy.local.servers import kafka, postgres, seaweedfs

os.environ["PATH"] = {str(tmp_path)!r}
os.environ.pop("JAVA_HOME", None)
importlib.util.find_spec = lambda name: None
seaweedfs.sysconfig.get_path = lambda name: {str(tmp_path)!r}
for action in (kafka.find_java, postgres._package, seaweedfs._weed, lambda: check_clone("triton")):
    try:
        action()
    except StackError as error:
        print(error.remedy)
"""
    *remedies, triton = run_installed(installed, tmp_path, program)
    assert len(remedies) == 3
    assert all(f"run `pip install '{PROJECT['name']}[stack]'`" in remedy for remedy in remedies), remedies
    assert "in a clone of the repository" in triton
    assert {"platformdirs", "psutil"} <= set(PROJECT["optional-dependencies"]["stack"])
