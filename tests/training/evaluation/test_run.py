from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from services.common.labels import LABEL_ORDER
from tests.training.evaluation.cohort import CENTRES
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder, StoredSpecimen
from training.evaluation.evaluate import EvaluatedBackbone, consensus, judge_consensus
from training.evaluation.parquet import load
from training.evaluation.run import training_prevalence, write_predictions
from training.metrics.figures import figures
from training.models.output import Calibration
from training.train.configuration import CONFIGURATIONS

FIRST_SEED = 500
CONFIGURATION = replace(CONFIGURATIONS["small"], name="tiny", seed=7)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SetFolder:
    """The simulator's specimens with their true labels; pictures are left empty because nothing here reads them."""
    made = SetFolder(tmp_path_factory.mktemp("data"), Recipe(specimens=400, first_seed=FIRST_SEED, side=2))
    for index in reversed(range(made.recipe.specimens)):
        specimen = made.recipe.specimen(index)
        labels = (specimen.level1, *specimen.call)
        refused = "blank" if index % 9 == 0 else ""
        made.add(StoredSpecimen(index, specimen.biological_sample_id, specimen.centre, labels, "", refused), None)
    return made


def _judged(store: SetFolder, seed: int) -> EvaluatedBackbone:
    test = store.subset("test")
    given = np.random.default_rng(seed).random(test.labels.shape)
    thresholds = (seed / 10,) * len(LABEL_ORDER)
    found = figures(given, given / 2, test.labels, test.centres, thresholds)
    return EvaluatedBackbone(Calibration(), thresholds, given, given / 2, found, weight=seed / 3)


def test_files_contain_each_backbone_and_the_consensus_that_makes_the_calls(store: SetFolder, tmp_path: Path) -> None:
    judged = {"convnext": _judged(store, 2), "cae": _judged(store, 4)}
    paths = write_predictions(tmp_path, store, judged, CONFIGURATION)
    assert [path.name for path in paths] == [
        "predictions-convnext.parquet", "predictions-cae.parquet", "predictions-consensus.parquet",
    ]  # fmt: skip
    test = store.subset("test")
    expected = {name: one.figures for name, one in judged.items()}
    expected["consensus"] = judge_consensus(consensus(list(judged.values())), test)
    for path in paths:
        read = load(path)
        origin = read.origin
        assert (origin.config, origin.input, origin.seed) == ("tiny", "MV", 7)
        assert origin.thresholds == pytest.approx([item.threshold for item in expected[origin.model].labels])
        assert roc_auc_score(read.labels[:, 0], read.served[:, 0]) == pytest.approx(expected[origin.model].level1_auc)
        spine = roc_auc_score(read.labels[read.abnormal, 2], read.given_abnormal[read.abnormal, 2])
        assert spine == pytest.approx(expected[origin.model].labels[2].auc)


def test_specimens_keep_their_truth_centre_and_severity(store: SetFolder, tmp_path: Path) -> None:
    path, *_ = write_predictions(tmp_path, store, {"cae": _judged(store, 3)}, CONFIGURATION)
    read = load(path)
    assert len(read) == len(store.subset("test")) > 20
    for row, name in enumerate(read.specimens):
        specimen = store.recipe.specimen(int(name) - 100_000 - FIRST_SEED)
        assert read.centres[row] == specimen.centre
        assert tuple(read.labels[row]) == (specimen.level1, *specimen.call)
        severities = [finding.severity for finding in specimen.findings]
        assert np.nan_to_num(read.severity[row], nan=-1) == max(severities, default=-1)


def test_prevalence_is_that_of_each_centres_training_specimens(store: SetFolder) -> None:
    train = store.subset("train")
    found = training_prevalence(train)
    assert set(found) == set(train.centres) > set(CENTRES)
    labels = train.labels[np.array(train.centres) == "JAX"]
    assert found["JAX"][0] == pytest.approx(labels[:, 0].mean())
    assert found["JAX"][2] == pytest.approx(labels[labels[:, 0] == 1, 2].mean())
    normal = replace(train, rows=train.rows[:1], labels=np.zeros((1, 14), dtype=np.uint8), centres=("X",))
    assert training_prevalence(normal) == {"X": (0.0, *([None] * 13))}
