import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services.common.errors import Rejected
from services.common.model_card import card_pin
from services.registry.repository import ModelRepository
from training.export.targets import REPOSITORY
from training.models.registry import BACKBONES
from training.refresh.install import next_version
from training.refresh.start import start_from

VERSIONS = dict.fromkeys(BACKBONES, 1)


def pins_of(repository: ModelRepository) -> dict[str, str]:
    return {name: card_pin(repository.card_text(name, 1) or "") for name in BACKBONES}


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    shutil.copytree(REPOSITORY, tmp_path / "models", symlinks=True)
    return ModelRepository(tmp_path / "models")


def test_the_committed_versions_are_a_starting_point(repository: ModelRepository) -> None:
    start = start_from(repository, 1, VERSIONS, pins_of(repository))
    assert (start.size, set(start.cards)) == ("small", set(BACKBONES))
    assert next_version(repository, BACKBONES) == 2


def without_weights(folder: Path) -> None:
    (folder / "cae" / "1" / "weights.safetensors").unlink()


def damaged_weights(folder: Path) -> None:
    (folder / "cae" / "1" / "weights.safetensors").write_bytes(b"half")


def damaged_graph(folder: Path) -> None:
    (folder / "cae" / "1" / "model.onnx").write_bytes(b"half")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (without_weights, "file_missing"),
        (damaged_weights, "weights_digest_wrong"),
        (damaged_graph, "graph_digest_wrong"),
    ],
)
def test_incomplete_files_are_refused_as_a_starting_point(
    repository: ModelRepository, harm: Callable[[Path], None], reason: str
) -> None:
    harm(repository.root)
    with pytest.raises(Rejected) as refusal:
        start_from(repository, 1, VERSIONS, pins_of(repository))
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("pins", "reason"), [({"cae": "0" * 64, "convnext": "0" * 64}, "pin_differs"), ({}, "backbone_missing")]
)
def test_only_promoted_versions_are_a_starting_point(pins: dict[str, str], reason: str) -> None:
    with pytest.raises(Rejected) as refusal:
        start_from(ModelRepository(REPOSITORY), 1, VERSIONS, pins)
    assert refusal.value.reason == reason
