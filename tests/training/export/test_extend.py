"""Trained versions get the outputs of the decision layer without a change of their probabilities."""

from pathlib import Path

import numpy as np
import pytest
import torch

from services.common.decision.fit import SetVersion
from services.common.errors import Rejected
from services.registry.inspect import inspect
from services.registry.repository import ModelRepository, read_configuration
from services.registry.validation import fit_versions, read_validation
from tests.training.refresh.tiny import SIZE, allow_tiny, make_dataset
from training.datasets.collect.dataset import Dataset
from training.datasets.recipe import Recipe
from training.evaluation.evaluate import judge
from training.export.extend import _first, extend
from training.export.graph import run_onnx
from training.export.repository import read_cards
from training.export.version import VersionOrigin, export_version
from training.models.output import ServedBackbone
from training.models.registry import BACKBONES, build_backbone

NAME = "cae"
OUTPUTS = {"scores": 14, "features": 64, "unfamiliar": 1}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    allow_tiny()
    return make_dataset(tmp_path_factory.mktemp("dataset") / "set")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """Untrained versions whose graphs have the stored weights, in half precision, as the committed ones have."""
    folder = tmp_path_factory.mktemp("repository")
    for seed, name in enumerate(BACKBONES):
        torch.manual_seed(seed)
        backbone = build_backbone(name, SIZE).half().float().eval()
        judged = judge(backbone, dataset.subset("validation"), dataset.evaluation())
        export_version(
            ServedBackbone(backbone, judged.calibration), judged, dataset.evaluation(), name=name, version=1, size=SIZE,
            origin=VersionOrigin("none", "nothing", "for a test", ()), repository=folder,
        )  # fmt: skip
    return folder


def test_versions_get_the_outputs_and_keep_their_probabilities(repository: Path, dataset: Dataset) -> None:
    graph = repository / NAME / "1" / "model.onnx"
    images = next(dataset.evaluation().batches(16))
    before = run_onnx(graph.read_bytes(), images)
    assert read_cards(repository / NAME / "config.pbtxt")[1].outputs == {}
    cards = extend(repository, dataset.subset("train"), dataset.subset("validation"), lambda _step: None)
    assert [card.outputs for card in cards] == [OUTPUTS] * len(BACKBONES)
    for old, new in zip(before, run_onnx(graph.read_bytes(), images), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-5)
    configuration = read_configuration(repository / NAME / "config.pbtxt")
    assert [output.name for output in configuration.output] == ["level1", "level2", "level3", *OUTPUTS]
    for name in BACKBONES:
        assert inspect(ModelRepository(repository), name, 1).card.validation_sha256
    stored = {SetVersion(name, 1): read_validation(repository / name / "1") for name in BACKBONES}
    assert fit_versions(stored).specimens == len(dataset.subset("validation"))


def test_a_version_with_the_calibration_of_another_is_refused(repository: Path, dataset: Dataset) -> None:
    version = repository / NAME / "1"
    kept = (version / "model.onnx").read_bytes()
    other = repository / next(name for name in BACKBONES if name != NAME) / "1" / "model.onnx"
    (version / "model.onnx").write_bytes(other.read_bytes())
    try:
        with pytest.raises(Rejected) as refused:
            extend(repository, dataset.subset("train"), dataset.subset("validation"), lambda _step: None)
    finally:
        (version / "model.onnx").write_bytes(kept)
    assert refused.value.reason == "calibration_differs"


def test_constants_come_from_the_first_specimens_of_the_versions_own_training_set() -> None:
    recipe = Recipe(specimens=200, first_seed=2_000_000_000)
    normal = _first(recipe, "train", 5, normal=True)
    assert len(normal) == 5
    for index in range(normal[-1] + 1):
        specimen = recipe.specimen(index)
        suitable = not specimen.level1 and recipe.part(index, specimen.biological_sample_id) == "train"
        assert (index in normal) == suitable
