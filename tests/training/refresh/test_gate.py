import numpy as np
import pytest

from services.common.errors import Rejected
from tests.training.refresh.predictions import labels_of, prediction_of
from training.datasets.arrays import MISSING
from training.refresh.gate import SENSITIVITY, ModelPrediction, judge_candidate
from training.refresh.journal import GateRules

LABELS = labels_of(400, seed=1)
WEAK, STRONG = prediction_of(LABELS, 0.2), prediction_of(LABELS, 0.4)


def reasons_of(active: ModelPrediction, candidate: ModelPrediction, rules: GateRules | None = None) -> list[str]:
    return [one.reason for one in judge_candidate(LABELS, active, candidate, rules or GateRules()).reasons]


def test_a_better_candidate_passes_and_its_figures_show_by_how_much() -> None:
    verdict = judge_candidate(LABELS, WEAK, STRONG, GateRules())
    assert verdict.reasons == ()
    assert (verdict.specimens, verdict.abnormal) == (400, 200)
    assert [one.name for one in verdict.comparisons][-1] == SENSITIVITY
    for one in verdict.comparisons:
        assert one.difference == pytest.approx(one.candidate - one.active)
        assert 0 < one.lowest < one.difference


def test_a_worse_candidate_is_refused_on_every_level() -> None:
    assert reasons_of(STRONG, WEAK) == ["level_worse"] * 3 + ["sensitivity_worse"]


def test_one_level_is_enough_to_refuse() -> None:
    served = STRONG.served.copy()
    served[:, 4:] = WEAK.served[:, 4:]
    (reason,) = judge_candidate(LABELS, STRONG, ModelPrediction(served, STRONG.thresholds), GateRules()).reasons
    assert reason.reason == "level_worse"
    assert reason.words.startswith("AUC level 3, mean: 0.")


def test_a_higher_threshold_loses_sensitivity_alone() -> None:
    assert reasons_of(STRONG, ModelPrediction(STRONG.served, (0.8,) * 14)) == ["sensitivity_worse"]


def test_the_same_model_passes_since_the_bootstrap_is_paired() -> None:
    """In an unpaired comparison, noise alone would look like a loss of several hundredths."""
    verdict = judge_candidate(LABELS, WEAK, WEAK, GateRules())
    assert verdict.reasons == ()
    assert {one.lowest for one in verdict.comparisons} == {0.0}


def test_a_certain_loss_within_the_margins_is_still_refused() -> None:
    slightly = prediction_of(LABELS, 0.399)
    verdict = judge_candidate(LABELS, STRONG, slightly, GateRules())
    assert all(one.lowest > -one.margin for one in verdict.comparisons)
    assert [one.reason for one in verdict.reasons] == ["not_better"]


def test_a_loss_below_the_margins_is_refused_only_because_it_is_not_better() -> None:
    allowing = GateRules(auc_margin=0.5, sensitivity_margin=0.5)
    assert reasons_of(STRONG, WEAK, allowing) == ["not_better"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [(GateRules(least_specimens=401), "400 evaluation specimens"), (GateRules(least_abnormal=201), "200 abnormal")],
)
def test_too_few_specimens_decide_nothing(rules: GateRules, message: str) -> None:
    verdict = judge_candidate(LABELS, WEAK, STRONG, rules)
    (reason,) = verdict.reasons
    assert reason.reason == "evaluation_too_small"
    assert message in reason.words
    assert verdict.comparisons == ()


def test_a_level_without_both_classes_decides_nothing() -> None:
    labels = LABELS.copy()
    labels[:, 1:4] = labels[:, :1]
    (reason,) = judge_candidate(labels, WEAK, STRONG, GateRules()).reasons
    assert (reason.reason, "AUC level 2" in reason.words) == ("evaluation_too_small", True)


def test_unknown_labels_are_not_counted() -> None:
    labels = np.concatenate([LABELS, np.full((50, 14), MISSING, dtype=np.uint8)])
    weak, strong = (
        ModelPrediction(np.concatenate([one.served, np.ones((50, 14))]), one.thresholds) for one in (WEAK, STRONG)
    )
    with_missing = judge_candidate(labels, weak, strong, GateRules())
    without = judge_candidate(LABELS, WEAK, STRONG, GateRules())
    assert with_missing.specimens == without.specimens
    assert [one.active for one in with_missing.comparisons] == [one.active for one in without.comparisons]


def test_a_candidate_that_answers_nan_is_refused() -> None:
    served = STRONG.served.copy()
    served[3, 2] = np.nan
    with pytest.raises(Rejected, match="NaN") as refusal:
        ModelPrediction(served, STRONG.thresholds)
    assert refusal.value.reason == "not_probabilities"
