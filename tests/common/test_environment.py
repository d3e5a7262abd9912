"""Where commands keep their files and what installs missing libraries, in a clone and from an installed wheel."""

import tomllib
from pathlib import Path

import pytest

from services.common import environment


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory of a user who installed a wheel."""
    packages, here = tmp_path / "site-packages", tmp_path / "here"
    packages.mkdir()
    here.mkdir()
    monkeypatch.setattr(environment, "CLONE", packages)
    monkeypatch.delenv("XRAY_STACK_FOLDER", raising=False)
    monkeypatch.chdir(here)
    return here


def test_a_clone_keeps_the_stack_and_installs_with_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XRAY_STACK_FOLDER", raising=False)
    monkeypatch.chdir(tmp_path)
    assert environment.in_clone()
    assert environment.stack_folder() == environment.CLONE / ".stack"
    assert environment.install_command("serving") == environment.install_command("serving,stack") == "make setup"
    assert environment.install_command("training") == "make setup-dev"


def test_without_a_clone_the_stack_is_in_the_current_directory(wheel: Path) -> None:
    assert not environment.in_clone()
    assert environment.stack_folder() == wheel / ".stack"
    assert environment.work_folder() == wheel


def test_the_variable_overrides_the_folder_of_the_stack(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_STACK_FOLDER", str(wheel / "other"))
    assert environment.stack_folder() == wheel / "other"


@pytest.mark.usefixtures("wheel")
@pytest.mark.parametrize("extra", ["serving", "training", "export", "serving,stack"])
def test_without_a_clone_pip_installs_an_extra_of_the_package(extra: str) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert environment.install_command(extra) == f"pip install '{project['name']}[{extra}]'"
    assert set(extra.split(",")) <= set(project["optional-dependencies"])
