from pathlib import Path

import numpy as np
import pytest
import typer
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from services.cli.train.experiments import combine
from services.common.labels import LABEL_ORDER
from services.common.preprocessing import VIEW_SIDE
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder, SpecimenArrays, StoredSpecimen, Subset
from training.evaluation.parquet import load
from training.experiments.view_fusion import METHODS, LabelRegressions, leave_centre_out_logits
from training.simulation.bone_truth import CHANNELS, SIDE

app = typer.Typer()
app.command()(combine)

SPECIMENS = 150
TENSOR_SIDE = 32


def _fill(folder: Path) -> None:
    """A bright square in the DV where a specimen is abnormal; all other labels are drawn."""
    store = SetFolder(folder, Recipe(specimens=SPECIMENS, first_seed=500, side=TENSOR_SIDE))
    random = np.random.default_rng(0)
    views = np.zeros((2, VIEW_SIDE, VIEW_SIDE), dtype=np.uint8)
    bones = np.zeros((2, len(CHANNELS), SIDE, SIDE), dtype=np.uint8)
    for index in range(SPECIMENS):
        labels = random.integers(0, 2, size=len(LABEL_ORDER)) * (index % 2)
        labels[[0, 2]] = index % 2
        labels[2] = index % 4 == 1
        tensor = random.integers(0, 60, size=(TENSOR_SIDE, TENSOR_SIDE, 3), dtype=np.uint8)
        if index % 2:
            tensor[8:24, 8:24, 0] = 250
        entry = StoredSpecimen(index, f"M{index}", ("JAX", "BCM")[index % 3 == 0], tuple(labels.tolist()), "")
        store.add(entry, SpecimenArrays(tensor, views, bones))


def test_every_method_is_judged_on_the_same_test_specimens(tmp_path: Path) -> None:
    _fill(tmp_path / "data")
    result = CliRunner().invoke(app, [str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--config", "tiny"])
    assert result.exit_code == 0, result.output
    read = [load(tmp_path / "out" / f"predictions-{name}.parquet") for name in METHODS]
    assert [one.origin.model for one in read] == list(METHODS)
    left_out = load(tmp_path / "out" / "predictions-channels-centre-left-out.parquet")
    assert left_out.origin.training_prevalence == {}
    for one in (*read, left_out):
        assert (one.origin.config, one.origin.input, one.origin.baseline) == ("tiny", "MV", True)
        assert one.specimens == read[0].specimens
        assert roc_auc_score(one.labels[:, 0], one.served[:, 0]) > 0.9


def test_a_folder_without_a_training_set_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path), "--out", str(tmp_path / "out")], env={"COLUMNS": "300"})
    assert result.exit_code == 1
    assert "holds no training set" in result.output


def test_a_centre_left_out_is_not_used_in_training() -> None:
    """The feature equals the label at JAX and its opposite at BCM."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, size=(200, len(LABEL_ORDER)), dtype=np.uint8)
    centres = ("JAX", "BCM") * 100
    features = random.normal(size=(200, 3)).astype(np.float32) * 0.1
    features[:, 0] = labels[:, 0] * np.where(np.arange(200) % 2, -1, 1)
    subset = Subset(np.zeros((200, 2, 2, 3), dtype=np.uint8), None, np.arange(200), labels, centres)
    logits = leave_centre_out_logits((features, subset), (features, subset))
    assert roc_auc_score(labels[:, 0], logits[:, 0]) < 0.1


def test_regressions_separate_a_label_among_the_abnormal() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 6)).astype(np.float32)
    labels = np.zeros((400, len(LABEL_ORDER)), dtype=np.uint8)
    labels[:, 0] = features[:, 0] > 0
    labels[:, 1:] = (features[:, 1:2] > 0) & (labels[:, :1] == 1)
    logits = LabelRegressions(features, labels).logits(features)
    assert logits.shape == (400, len(LABEL_ORDER))
    abnormal = labels[:, 0] == 1
    assert roc_auc_score(labels[:, 0], logits[:, 0]) > 0.95
    assert roc_auc_score(labels[abnormal, 5], logits[abnormal, 5]) > 0.95
    assert roc_auc_score(labels[abnormal, 5], logits[abnormal, 0]) == pytest.approx(0.5, abs=0.15)
