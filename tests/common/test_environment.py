"""Where commands keep their files and what installs missing libraries, in a clone and from an installed wheel."""

import tomllib
from pathlib import Path

import pytest

from services.common import environment
from services.common.errors import Fatal


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


def test_a_service_gets_its_own_credentials_instead_of_those_of_whoever_starts_it(tmp_path: Path) -> None:
    (tmp_path / "intake.env").write_text("XRAY_KAFKA_USERNAME=intake\nXRAY_TRITON_CONTROL_KEY=\n")
    given = {environment.CREDENTIALS: str(tmp_path), "XRAY_TRITON_CONTROL_KEY": "of the administrator"}
    found = given | environment.own_credentials("intake", given)
    assert found == {"XRAY_KAFKA_USERNAME": "intake", "XRAY_TRITON_CONTROL_KEY": "", environment.CREDENTIALS: ""}
    assert environment.own_credentials("intake", {}) == {}


def test_missing_credentials_stop_a_service(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"no credentials for sink: .*sink\.env is missing or empty"):
        environment.own_credentials("sink", {environment.CREDENTIALS: str(tmp_path)})
