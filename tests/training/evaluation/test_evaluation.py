from pathlib import Path

import numpy as np
import pytest

from services.common.labels import LABEL_ORDER
from training.datasets.arrays import MISSING, scored
from training.datasets.store import Subset
from training.evaluation.evaluate import (
    DEFAULT,
    LEAST,
    EvaluatedBackbone,
    choose_thresholds,
    consensus,
    consensus_weight,
    judge_consensus,
    matthews,
)
from training.evaluation.run import BEGIN, END, TrainingReport, as_markdown, update_page
from training.metrics.figures import figures
from training.metrics.ranking import auc
from training.models.output import Calibration


def _labels(count: int) -> np.ndarray:
    labels = np.random.default_rng(0).integers(0, 2, size=(count, 14), dtype=np.uint8)
    labels[labels[:, 0] == 0] = 0
    return labels


def _report() -> TrainingReport:
    labels = _labels(60)
    scores = labels + np.random.default_rng(1).normal(size=labels.shape)
    centres = ["JAX", "BCM"] * 30
    return TrainingReport(
        configuration="demo", specimens={"train": 140, "validation": 40, "test": 60}, refused_by_intake={},
        training_digest="f" * 64, epochs={"cae": 3}, minutes={"cae": 0.1},
        test={"cae": figures(scores, scores, labels, centres, [0.5] * 14)},
    )  # fmt: skip


def test_threshold_separates_what_can_be_separated() -> None:
    labels = _labels(40)
    probabilities = 0.2 + 0.5 * labels.astype(np.float64)
    thresholds = choose_thresholds(probabilities, labels)
    assert thresholds == pytest.approx([0.45] * 14)


def test_threshold_of_a_label_nobody_has_is_the_default() -> None:
    labels = np.zeros((10, 14), dtype=np.uint8)
    assert choose_thresholds(np.random.default_rng(0).random((10, 14)), labels) == (DEFAULT,) * 14


def test_matthews_of_right_wrong_and_constant_calls() -> None:
    truth = np.array([0, 0, 1, 1], dtype=np.uint8)
    assert matthews(truth == 1, truth) == pytest.approx(1)
    assert matthews(truth == 0, truth) == pytest.approx(-1)
    assert matthews(truth < 2, truth) == 0


def test_levels_2_and_3_are_scored_among_abnormal_specimens() -> None:
    labels = np.zeros((4, 14), dtype=np.uint8)
    labels[2:, 0] = 1
    labels[3, 1] = 1
    given = np.zeros((4, 14))
    given[:, 1] = [9, 9, 0, 1]
    result = figures(given, given, labels, ["JAX"] * 4, [0.5] * 14)
    assert result.labels[1].auc == 1.0
    assert result.labels[1].auc_all == pytest.approx(1 / 3)
    assert result.labels[2].auc is None
    assert auc(labels[:, 0], given[:, 1]) == 0.0


def _judged(level1: list[float], threshold: float, labels: np.ndarray, weight: float = 1.0) -> EvaluatedBackbone:
    scores = np.tile(np.array(level1)[:, None], (1, 14))
    thresholds = (threshold,) * 14
    found = figures(scores, scores, labels, ["JAX"] * len(scores), thresholds)
    return EvaluatedBackbone(Calibration(), thresholds, scores, scores, found, weight)


def test_consensus_is_the_pooled_probability_against_the_pooled_threshold() -> None:
    labels = np.zeros((4, 14), dtype=np.uint8)
    labels[2:, 0] = 1
    backbones = [_judged([0.2, 0.7, 0.5, 0.9], 0.4, labels), _judged([0.5, 0.1, 0.6, 0.8], 0.6, labels)]
    test = Subset(np.zeros((0,), dtype=np.uint8), None, np.arange(4), labels, ("JAX",) * 4)
    result = judge_consensus(consensus(backbones), test)
    assert [one.figures.level1_auc for one in backbones] == [0.75, 1.0]
    assert result.level1_auc == 1.0
    assert result.labels[0].threshold == pytest.approx(0.5)
    assert (result.labels[0].sensitivity, result.labels[0].specificity) == (1.0, 1.0)


def test_consensus_weighs_backbones_by_their_information() -> None:
    labels = np.zeros((4, 14), dtype=np.uint8)
    labels[2:, 0] = 1
    backbones = [_judged([0.2, 0.7, 0.5, 0.9], 0.4, labels, 3), _judged([0.6, 0.3, 0.1, 0.5], 0.8, labels)]
    together = consensus(backbones)
    odds = np.array([(1 / 4) ** 0.75 * 1.5**0.25, (7 / 3) ** 0.75 * (3 / 7) ** 0.25, (1 / 9) ** 0.25, 9**0.75])
    assert together.served[:, 0] == pytest.approx(odds / (1 + odds))
    assert together.given_abnormal[:, 5] == pytest.approx(odds / (1 + odds))
    threshold = (2 / 3) ** 0.75 * 4**0.25
    assert together.thresholds == pytest.approx((threshold / (1 + threshold),) * 14)


def test_weight_is_the_share_of_uncertainty_removed() -> None:
    labels = np.zeros((400, 14), dtype=np.uint8)
    labels[::2, :13] = 1
    informative = np.where(labels == 1, 0.9, 0.1)
    assert consensus_weight(informative, labels) == pytest.approx(1 - np.log(0.9) / np.log(0.5), abs=1e-4)
    assert consensus_weight(labels.astype(np.float64), labels) == pytest.approx(1, abs=1e-4)
    assert consensus_weight(1 - informative, labels) == consensus_weight(np.full(labels.shape, 0.5), labels) == LEAST
    unknown = labels.copy()
    unknown[::3] = MISSING
    assert consensus_weight(informative, unknown) == pytest.approx(consensus_weight(informative, labels), abs=0.01)
    assert consensus_weight(informative, np.full_like(labels, MISSING)) == LEAST


def test_mask_scores_level_1_everywhere() -> None:
    mask = scored(np.array([[0] * 14, [1] * 14], dtype=np.uint8))
    assert mask[:, 0].all()
    assert not mask[0, 1:].any()
    assert mask[1].all()


def test_missing_labels_change_no_figure_no_threshold_and_no_mask() -> None:
    labels = _labels(60)
    scores = np.clip(0.5 * labels + np.random.default_rng(1).random(labels.shape) / 2, 0, 1)
    centres = ["JAX", "BCM"] * 30
    more = np.concatenate([labels, np.full((20, 14), MISSING, dtype=np.uint8)])
    with_missing = np.concatenate([scores, np.random.default_rng(2).random((20, 14))])
    expected = figures(scores, scores, labels, centres, [0.5] * 14)
    found = figures(with_missing, with_missing, more, centres + ["JAX"] * 20, [0.5] * 14)
    assert found.model_copy(update={"specimens": 60}) == expected
    assert choose_thresholds(with_missing, more) == choose_thresholds(scores, labels)
    assert not scored(more)[60:].any()


def test_table_names_every_label_and_replaces_the_old_one_in_a_page(tmp_path: Path) -> None:
    report = _report()
    text = as_markdown(report)
    assert all(f"| {label} |" in text for label in LABEL_ORDER[1:])
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    update_page(page, report)
    update_page(page, report)
    content = page.read_text(encoding="utf-8")
    assert content.startswith("before\n")
    assert content.endswith("after\n")
    assert "old" not in content
    assert content.count("| Spine |") == 1


def test_page_without_a_place_for_figures_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no markers for the figures"):
        update_page(page, _report())
