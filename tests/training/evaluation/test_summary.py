import csv
import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from tests.training.evaluation.cohort import origin, predictions
from training.evaluation.summary import HEADER, MEAN, as_csv, auc_rows, group, paper_auc
from training.metrics.predictions import Predictions
from training.metrics.ranking import resample

COUNTS = resample(400, resamples=50)


def _run(seed: int, quality: float = 1, **changes: Any) -> Predictions:
    return predictions(quality, noise_seed=seed, origin=origin(seed=seed), **changes)


def test_mean_and_deviation_over_seeds_are_of_each_seeds_auc() -> None:
    runs = [_run(seed) for seed in (3, 1, 2)]
    (found,) = group(runs)
    assert [run.origin.seed for run in found.runs] == [1, 2, 3]
    rows = {(row.level, row.label): row for row in auc_rows(found, COUNTS)}
    abnormal = runs[0].labels[:, 0] == 1
    column = LABEL_ORDER.index("Ribs")
    each = [roc_auc_score(run.labels[abnormal, column], run.given_abnormal[abnormal, column]) for run in found.runs]
    row = rows[3, "Ribs"]
    assert (row.auc_mean, row.auc_sd) == pytest.approx((np.mean(each), np.std(each, ddof=1)))
    assert row.specimens == 200
    assert rows[1, "Abnormal"].specimens == 400
    assert row.low < row.auc_mean < row.high


def test_a_levels_mean_is_taken_within_each_seed() -> None:
    (found,) = group([_run(1), _run(2)])
    rows = auc_rows(found, COUNTS)
    for level, labels in ((1, 1), (2, 3), (3, 10)):
        members = [row for row in rows if row.level == level and row.label != MEAN]
        (mean,) = (row for row in rows if row.level == level and row.label == MEAN)
        assert len(members) == labels
        assert mean.per_seed == pytest.approx(np.mean([row.per_seed for row in members], axis=0))
        assert mean.high - mean.low <= max(row.high - row.low for row in members)


def test_unscored_specimens_count_for_no_label() -> None:
    made = predictions(1)
    known = made.known.copy()
    column = LABEL_ORDER.index("Ribs")
    known[10:20, column] = False
    wrong = made.given_abnormal.copy()
    wrong[10:20, column] = 1 - made.labels[10:20, column]
    rows = [
        auc_rows(group([replace(made, known=known, given_abnormal=values)])[0], COUNTS)
        for values in (made.given_abnormal, wrong)
    ]
    assert rows[0] == rows[1]
    (row,) = (row for row in rows[0] if row.label == "Ribs")
    assert row.specimens == 190


def test_csv_has_the_columns_and_a_row_for_each_label_and_mean() -> None:
    runs = [_run(1), _run(2), replace(_run(1), origin=origin("cae", "DV"))]
    groups = group(runs)
    text = as_csv([(one, auc_rows(one, COUNTS)) for one in groups])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text.splitlines()[0] == "model,config,input,level,label,auc_mean,auc_sd,seeds,specimens"
    assert tuple(rows[0]) == HEADER
    assert len(rows) == 2 * (14 + 3)
    assert {(row["model"], row["input"], row["seeds"]) for row in rows} == {("convnext", "MV", "2"), ("cae", "DV", "1")}
    assert [row["level"] for row in rows if row["label"] == "mean"] == ["1", "2", "3"] * 2
    assert all(math.isnan(float(row["auc_sd"])) == (row["seeds"] == "1") for row in rows)
    assert all(0 <= float(row["auc_mean"]) <= 1 for row in rows)


def test_groups_are_ordered_by_configuration_then_input_then_model() -> None:
    origins = [origin("convnext", "LAT"), origin("cae", "DV"), origin("convnext"), origin("cae"), origin(config="full")]
    made = predictions(specimens=60)
    assert [one.name for one in group([replace(made, origin=one) for one in origins])] == [
        "convnext full MV", "cae small MV", "convnext small MV", "cae small DV", "convnext small LAT",
    ]  # fmt: skip


def test_the_same_run_twice_is_refused() -> None:
    with pytest.raises(Rejected, match="two files hold convnext small MV, seed 1") as refusal:
        group([_run(1), _run(1)])
    assert refusal.value.reason == "same_run_twice"


def test_runs_on_different_test_sets_are_refused() -> None:
    made, other = _run(1), _run(2)
    flipped = other.labels.copy()
    flipped[0, 5] ^= 1
    hidden = other.known.copy()
    hidden[0, 5] = False
    for change in (
        {"specimens": ("X", *other.specimens[1:])},
        {"centres": ("X", *other.centres[1:])},
        {"labels": flipped},
        {"known": hidden},
    ):
        with pytest.raises(Rejected, match="do not cover the same specimens") as refusal:
            group([made, replace(other, **change)])
        assert refusal.value.reason == "different_test_sets"


def test_the_papers_figures() -> None:
    assert paper_auc("convnext", "MV", 1, "Abnormal") == paper_auc("convnext", "MV", 1, MEAN) == 0.989
    assert paper_auc("cae", "MV", 2, MEAN) == pytest.approx((0.820 + 0.995 + 0.850) / 3)
    assert paper_auc("convnext", "MV", 3, MEAN) == pytest.approx(7.432 / 9)
    assert paper_auc("cae", "LAT", 3, MEAN) == 0.78
    assert paper_auc("cae", "MV", 3, "Fusion") is None
    assert paper_auc("cae", "DV", 1, MEAN) is None
    assert paper_auc("consensus", "MV", 1, MEAN) is None
