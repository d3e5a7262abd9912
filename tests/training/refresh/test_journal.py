import shutil
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import Fatal
from tests.training.refresh.recorders import Objects
from training.refresh.journal import RefreshJournal, artefact_key


def journal(folder: Path, objects: Objects, run: str = "a") -> RefreshJournal:
    store: Any = objects
    return RefreshJournal(folder, store, run)


def test_a_step_is_done_once_its_record_is_written(tmp_path: Path) -> None:
    steps = journal(tmp_path, Objects())
    assert steps.read("judge") is None
    assert not steps.has("judge")
    steps.write("judge", {"specimens": 3})
    assert steps.read("judge") == {"specimens": 3}
    assert steps.has("judge")


def test_a_run_that_lost_its_folder_restores_its_records_and_files(tmp_path: Path) -> None:
    objects = Objects()
    file = tmp_path / "first" / "cae.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    journal(file.parent, objects).write("cae", {}, (file,))
    shutil.rmtree(file.parent)
    again = journal(tmp_path / "second", objects)
    assert again.has("cae")
    assert again.read("cae") is not None
    assert (tmp_path / "second" / "cae.safetensors").read_bytes() == b"weights"
    assert journal(tmp_path / "third", objects, run="b").read("cae") is None


def test_a_file_that_changed_is_brought_back(tmp_path: Path) -> None:
    objects, file = Objects(), tmp_path / "cae.safetensors"
    file.write_bytes(b"weights")
    journal(tmp_path, objects).write("cae", {}, (file,))
    file.write_bytes(b"other weights")
    journal(tmp_path, objects).read("cae")
    assert file.read_bytes() == b"weights"


def test_a_damaged_object_is_not_accepted(tmp_path: Path) -> None:
    objects, file = Objects(), tmp_path / "cae.safetensors"
    file.write_bytes(b"weights")
    record = journal(tmp_path, objects).write("cae", {}, (file,))
    file.unlink()
    objects.kept[artefact_key(record["files"]["cae.safetensors"])] = b"something else"
    with pytest.raises(Fatal, match="have changed"):
        journal(tmp_path, objects).read("cae")
