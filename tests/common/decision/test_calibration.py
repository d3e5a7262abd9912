"""Logistic fits, stacking and prevalence against known truth."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from services.common.decision.arrays import Numbers
from services.common.decision.calibration import (
    IDENTITY,
    estimate_prevalence,
    fit_platt,
    fit_stack,
    logit,
    shift_prevalence,
    sigmoid,
)


def draw(count: int, prevalence: float, *, seed: int = 0) -> tuple[Numbers, Numbers]:
    """Scores of two Gaussians at +1 and -1 with variance 1: the true logit is 2 * score + logit(prevalence)."""
    random = np.random.default_rng(seed)
    truth = (random.random(count) < prevalence).astype(np.float64)
    return 2 * truth - 1 + random.normal(size=count), truth


def test_sigmoid_and_logit_are_inverse_and_do_not_overflow() -> None:
    values = np.array([-800.0, -3.0, 0.0, 3.0, 800.0])
    assert sigmoid(values).tolist() == pytest.approx([0, 0.0474259, 0.5, 0.9525741, 1])
    np.testing.assert_allclose(logit(sigmoid(values[1:4])), values[1:4])


def test_platt_finds_the_true_scale_and_shift() -> None:
    found = fit_platt(*draw(40_000, 0.3))
    assert found.scale == pytest.approx(2, abs=0.06)
    assert found.shift == pytest.approx(float(logit(0.3)), abs=0.06)


def test_platt_agrees_with_logistic_regression_on_smoothed_targets() -> None:
    scores, truth = draw(300, 0.2, seed=4)
    positives, negatives = truth.sum(), (1 - truth).sum()
    targets = np.where(truth > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    twice = np.repeat(scores[:, None], 2, axis=0)
    classes, weights = np.tile([1, 0], len(scores)), np.column_stack([targets, 1 - targets]).ravel()
    regression = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(twice, classes, sample_weight=weights)
    found = fit_platt(scores, truth)
    assert found.scale == pytest.approx(float(regression.coef_[0, 0]), rel=1e-4)
    assert found.shift == pytest.approx(float(regression.intercept_[0]), rel=1e-4)


def test_platt_keeps_one_class_and_never_reverses() -> None:
    scores, truth = draw(100, 0.3)
    assert fit_platt(scores, np.zeros(100)) == IDENTITY
    reversed_ = fit_platt(-scores, truth)
    assert reversed_.scale == 0.05
    assert sigmoid(reversed_.scale * -scores + reversed_.shift).mean() == pytest.approx(truth.mean(), abs=0.02)


def test_platt_survives_perfect_separation_and_constant_scores() -> None:
    perfect = fit_platt(np.array([-1.0, -2, 3, 4]), np.array([0.0, 0, 1, 1]))
    assert 0 < perfect.scale < 10
    assert np.isfinite(fit_platt(np.ones(4), np.array([0.0, 0, 1, 1]))).all()


def test_stacking_ignores_a_member_of_pure_noise() -> None:
    scores, truth = draw(5000, 0.4)
    noise = np.random.default_rng(9).normal(size=5000)
    good, useless = fit_stack(np.column_stack([2 * scores, noise]), truth)
    assert good > 0.9
    assert useless >= 0


def test_stacking_weighs_members_by_what_they_add() -> None:
    random = np.random.default_rng(5)
    truth = (random.random(20_000) < 0.5).astype(np.float64)
    clear, vague = (2 * truth - 1 + random.normal(size=20_000) * sd for sd in (1.0, 2.0))
    # The best pool of independent Gaussian evidence is the sum of the calibrated logits: equal weights.
    weights = fit_stack(np.column_stack([2 * clear, 0.5 * vague]), truth)
    assert weights.tolist() == pytest.approx([0.5, 0.5], abs=0.08)


def test_stacking_without_both_classes_weighs_equally() -> None:
    assert fit_stack(np.ones((4, 2)), np.zeros(4)).tolist() == [0.5, 0.5]
    assert fit_stack(np.ones((4, 1)), np.array([0.0, 1, 0, 1])).tolist() == [1.0]


def test_shifted_prevalence_is_bayes_rule() -> None:
    # P = 0.5 at prevalence 0.5 is a likelihood ratio of 1: at prevalence 0.03 it is P = 0.03.
    assert sigmoid(shift_prevalence(np.zeros(1), 0.5, 0.03))[0] == pytest.approx(0.03)


@pytest.mark.parametrize("prevalence", [0.0305, 0.2, 0.8])
def test_the_prevalence_of_other_specimens_is_found_and_then_calibrated(prevalence: float) -> None:
    fitted = fit_platt(*draw(20_000, 0.5, seed=1))
    scores, truth = draw(20_000, prevalence, seed=2)
    logits = fitted.scale * scores + fitted.shift
    found = estimate_prevalence(logits, 0.5)
    assert found == pytest.approx(truth.mean(), abs=0.015)
    moved = sigmoid(shift_prevalence(logits, 0.5, found))
    assert moved.mean() == pytest.approx(truth.mean(), abs=0.015)


def test_the_prevalence_of_no_specimens_is_the_fitted_one() -> None:
    assert estimate_prevalence(np.empty(0), 0.4) == 0.4
