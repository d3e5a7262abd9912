"""Bodies that are taken from a model repository instead of being trained."""

import shutil
from pathlib import Path

import pytest
import torch

from services.common.errors import Rejected
from training.experiments.studies import load_bodies
from training.export.targets import REPOSITORY
from training.export.weights import weights_file
from training.models.registry import BACKBONES, build_backbone
from training.train.configuration import CONFIGURATIONS
from training.train.run import TrainingRun


@pytest.fixture
def run(tmp_path: Path) -> TrainingRun:
    return TrainingRun(CONFIGURATIONS["small"], tmp_path / "small", runs=tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REPOSITORY, tmp_path / "models", symlinks=True))


def test_the_newest_complete_version_of_each_model_is_used(run: TrainingRun, repository: Path) -> None:
    (repository / "cae" / "2").mkdir()
    load_bodies(run, repository)
    assert {path.parent.name for path in run.folder.glob("*/final.ckpt")} == set(BACKBONES)


def test_weights_that_do_not_match_the_card_are_refused(run: TrainingRun, repository: Path) -> None:
    torch.manual_seed(1)
    (repository / "cae" / "1" / "weights.safetensors").write_bytes(
        weights_file(build_backbone("cae", "small"), "small")
    )
    with pytest.raises(Rejected) as refusal:
        load_bodies(run, repository)
    assert refusal.value.reason == "weights_damaged"
    assert not run.folder.exists()


def test_a_repository_without_models_is_named(run: TrainingRun, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="holds no version") as refusal:
        load_bodies(run, tmp_path)
    assert refusal.value.reason == "no_models"
