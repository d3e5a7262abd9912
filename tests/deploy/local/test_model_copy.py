"""The stack's own copy of the model repository."""

import os
from pathlib import Path

import pytest

from deploy.local.servers.tritonserver import copy_models


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "model_repository"
    (root / "convnext" / "1").mkdir(parents=True)
    (root / "common").mkdir()
    (root / "common" / "model.py").write_text("first", encoding="utf-8")
    (root / "convnext" / "config.pbtxt").write_text("name: 'convnext'", encoding="utf-8")
    (root / "convnext" / "1" / "model.py").symlink_to("../../common/model.py")
    (root / "convnext" / "1" / "__pycache__").mkdir()
    (root / "convnext" / "1" / "__pycache__" / "model.pyc").touch()
    return root


def test_models_are_copied_with_links_resolved(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    assert copy_models(source, target) == ["convnext"]
    model = target / "convnext" / "1" / "model.py"
    assert not model.is_symlink()
    assert model.read_text(encoding="utf-8") == "first"
    copied = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert copied == ["convnext/1/model.py", "convnext/config.pbtxt"]


def test_newer_files_are_copied_and_additions_of_the_stack_stay(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    copy_models(source, target)
    (target / "convnext" / "2").mkdir()
    (target / "convnext" / "2" / "model.py").write_text("added", encoding="utf-8")
    changed_in_copy = target / "convnext" / "config.pbtxt"
    changed_in_copy.write_text("with card of version 2", encoding="utf-8")
    (source / "common" / "model.py").write_text("second", encoding="utf-8")
    later = (target / "convnext" / "1" / "model.py").stat().st_mtime + 10
    os.utime(source / "common" / "model.py", (later, later))
    copy_models(source, target)
    assert (target / "convnext" / "1" / "model.py").read_text(encoding="utf-8") == "second"
    assert (target / "convnext" / "2" / "model.py").read_text(encoding="utf-8") == "added"
    assert changed_in_copy.read_text(encoding="utf-8") == "with card of version 2"


def test_a_newer_configuration_does_not_take_the_card_of_an_added_version(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    copy_models(source, target)
    configurations = [root / "convnext" / "config.pbtxt" for root in (source, target)]
    configurations[0].write_text('key: "card.1" # new', encoding="utf-8")
    configurations[1].write_text('key: "card.1" key: "card.2"', encoding="utf-8")
    later = configurations[1].stat().st_mtime + 10
    os.utime(configurations[0], (later, later))
    copy_models(source, target)
    assert "card.2" in configurations[1].read_text(encoding="utf-8")
    configurations[1].write_text('key: "card.1"', encoding="utf-8")
    os.utime(configurations[0], (later + 10, later + 10))
    copy_models(source, target)
    assert "new" in configurations[1].read_text(encoding="utf-8")


def test_no_models_is_not_an_error(tmp_path: Path) -> None:
    assert copy_models(tmp_path / "missing", tmp_path / "copy") == []
