"""A place is filled with models once, whole, and what came to it since stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.common.errors import Rejected
from services.models.add import add_version
from services.models.inspect import inspect
from services.models.install import install_models
from services.models.repository import ModelRepository
from tests.models.variants import MODEL, shifted, write_variant
from training.export.repository import REPOSITORY


@pytest.fixture
def place(tmp_path: Path) -> ModelRepository:
    folder = tmp_path / "serves"
    folder.mkdir()
    return ModelRepository(folder)


def test_an_empty_place_gets_every_model_whole(place: ModelRepository) -> None:
    assert install_models(ModelRepository(REPOSITORY), place) == ["cae", "convnext"]
    assert place.models() == ["cae", "convnext"]
    for model in place.models():
        assert inspect(place, model, 1).card.version == 1
        assert not any(file.is_symlink() for file in place.folder(model, 1).iterdir())
    assert {path.name for path in place.root.iterdir()} == {".lock", "cae", "convnext"}


def test_what_was_added_since_stays(place: ModelRepository, tmp_path: Path) -> None:
    install_models(ModelRepository(REPOSITORY), place)
    write_variant(tmp_path / "newer", 2, shifted(0.1))
    add_version(ModelRepository(tmp_path / "newer"), place, MODEL, 2)
    assert install_models(ModelRepository(REPOSITORY), place) == []
    assert place.versions(MODEL) == [1, 2]
    assert place.card_text(MODEL, 2) is not None


def test_what_a_kill_left_behind_is_done_anew(place: ModelRepository) -> None:
    (place.root / ".incoming-cae" / "1").mkdir(parents=True)
    assert install_models(ModelRepository(REPOSITORY), place) == ["cae", "convnext"]


def test_a_model_whose_files_are_not_its_cards_is_not_installed(place: ModelRepository, tmp_path: Path) -> None:
    write_variant(tmp_path / "bad", 1, shifted(0.1))
    (tmp_path / "bad" / MODEL / "1" / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(Rejected) as caught:
        install_models(ModelRepository(tmp_path / "bad"), place)
    assert (caught.value.reason, place.models()) == ("graph_digest_wrong", [])
