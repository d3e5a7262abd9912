import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from training.metrics.decisions import abstention, expected_calibration_error, reliability
from training.metrics.ranking import (
    auc_or_nan,
    auc_with_interval,
    average_precision,
    percentile_interval,
    proportion,
    resample,
    resampled_auc,
)


def _binary(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_is_newcombes_table_1(successes: int, trials: int, low: float, high: float) -> None:
    found = proportion(successes, trials)
    assert found.value == pytest.approx(successes / trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_of_everything_mirrors_that_of_nothing() -> None:
    everything, nothing = proportion(20, 20), proportion(0, 20)
    assert (everything.low, everything.high) == pytest.approx((1 - nothing.high, 1))


def test_proportion_of_nothing_is_unknown() -> None:
    assert math.isnan(proportion(0, 0).value)


_scores = st.lists(st.integers(-50, 50), min_size=2, max_size=60)


@given(_scores, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_auc_agrees_with_scikit_learn_also_on_ties_and_resamples(scores: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, len(scores)).astype(np.uint8)
    truth[:2] = (0, 1)
    values = np.array(scores, dtype=np.float64)
    assert auc_or_nan(truth, values) == pytest.approx(roc_auc_score(truth, values))
    counts = resample(len(truth), resamples=3, seed=seed)
    for weights, found in zip(counts, resampled_auc(truth, values, counts), strict=True):
        drawn = np.repeat(np.arange(len(truth)), weights)
        if truth[drawn].min() == truth[drawn].max():
            assert math.isnan(found)
        else:
            assert found == pytest.approx(roc_auc_score(truth[drawn], values[drawn]))


@given(_scores)
def test_monotone_transforms_leave_auc_unchanged(scores: list[int]) -> None:
    truth = (np.arange(len(scores)) % 2).astype(np.uint8)
    values = np.array(scores, dtype=np.float64)
    counts = resample(len(scores), resamples=20)
    for transformed in (3 * values + 7, np.exp(values / 10), np.arctan(values)):
        assert auc_or_nan(truth, transformed) == auc_or_nan(truth, values)
        np.testing.assert_array_equal(resampled_auc(truth, transformed, counts), resampled_auc(truth, values, counts))


def test_resamples_are_seeded_and_each_as_large_as_the_test_set() -> None:
    counts = resample(50, resamples=7, seed=3)
    assert counts.shape == (7, 50)
    assert (counts.sum(axis=1) == 50).all()
    np.testing.assert_array_equal(counts, resample(50, resamples=7, seed=3))
    assert (counts != resample(50, resamples=7, seed=4)).any()


def test_blocks_of_resamples_are_put_together_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    truth, scores, counts = random.integers(0, 2, 30).astype(np.uint8), random.random(30), resample(30, resamples=11)
    whole = resampled_auc(truth, scores, counts)
    monkeypatch.setattr("training.metrics.ranking._BLOCK", 90)
    np.testing.assert_array_equal(resampled_auc(truth, scores, counts), whole)


def test_bootstrap_interval_is_as_wide_as_the_closed_form_says() -> None:
    """Standard error of the AUC of two exponentials is Hanley and McNeil's, Radiology 1982, 143:29."""
    random = np.random.default_rng(0)
    truth = np.repeat(_binary(0, 1), 1000)
    scores = np.concatenate([random.exponential(1, 1000), random.exponential(3, 1000)])
    found = auc_with_interval(truth, scores, resample(2000))
    area = 0.75
    product = area * (1 - area) + 999 * (area / (2 - area) - area**2) + 999 * (2 * area**2 / (1 + area) - area**2)
    standard_error = math.sqrt(product / 1000**2)
    assert found.value == pytest.approx(area, abs=3 * standard_error)
    assert found.high - found.low == pytest.approx(2 * 1.96 * standard_error, rel=0.15)
    assert found.low < found.value < found.high


def test_auc_of_one_class_or_nothing_is_unknown() -> None:
    for truth in (_binary(1, 1), _binary()):
        found = auc_with_interval(truth, np.linspace(0, 1, len(truth)), resample(2)[:, : len(truth)])
        assert math.isnan(found.value)
        assert math.isnan(found.low)


def test_samples_without_both_classes_are_left_out_of_the_interval() -> None:
    found = percentile_interval(0.5, np.array([math.nan, 0.2, 0.4, math.nan, 0.6]))
    assert (found.low, found.high) == pytest.approx((0.21, 0.59))


def test_average_precision_by_hand() -> None:
    truth, scores = _binary(1, 0, 1, 0), np.array([0.9, 0.8, 0.7, 0.1])
    assert average_precision(truth, scores) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert math.isnan(average_precision(_binary(0, 0), scores[:2]))


def test_reliability_by_hand() -> None:
    truth, predicted = _binary(0, 1, 1, 1), np.array([0.1, 0.3, 0.9, 0.7])
    low, high = reliability(truth, predicted, bins=2)
    assert (low.probability, low.positives.value, low.specimens) == pytest.approx((0.2, 0.5, 2))
    assert (high.probability, high.positives.value, high.specimens) == pytest.approx((0.8, 1, 2))
    assert expected_calibration_error(truth, predicted, bins=2) == pytest.approx((0.3 + 0.2) / 2)


def test_bins_of_unequal_size_are_weighted_by_their_specimens() -> None:
    truth, predicted = _binary(0, 0, 1), np.array([0.2, 0.2, 0.5])
    assert expected_calibration_error(truth, predicted, bins=2) == pytest.approx((2 * 0.2 + 1 * 0.5) / 3)


def test_perfect_calibration_has_almost_no_error_and_shifted_probabilities_their_shift() -> None:
    random = np.random.default_rng(0)
    predicted = random.uniform(0, 0.7, 200_000)
    truth = (random.random(len(predicted)) < predicted).astype(np.uint8)
    assert expected_calibration_error(truth, predicted) < 0.005
    assert expected_calibration_error(truth, predicted + 0.2) == pytest.approx(0.2, abs=0.005)


def test_calibration_of_nothing_is_unknown() -> None:
    assert math.isnan(expected_calibration_error(_binary(), np.array([])))


def test_abstention_calls_the_specimens_farthest_from_the_threshold_first() -> None:
    truth = np.tile(_binary(0, 0, 0, 0, 1, 1, 1, 1, 0, 1), 2)
    predicted = np.tile([0.0, 0.05, 0.1, 0.15, 1.0, 0.95, 0.9, 0.85, 0.6, 0.45], 2)
    points = {point.share: point for point in abstention(truth, predicted, threshold=0.5)}
    assert points[1.0].accuracy == pytest.approx(0.8)
    assert points[0.9].accuracy == pytest.approx(8 / 9)
    assert points[0.8].accuracy == 1
    assert points[0.8].auc == 1
    assert points[1.0].auc == pytest.approx(24 / 25)


def test_abstention_gives_no_auc_where_few_of_a_class_are_left() -> None:
    truth, predicted = np.repeat(_binary(0, 1), (5, 45)), np.linspace(0.3, 1, 50)
    found = {point.share: point.auc for point in abstention(truth, predicted, threshold=0.3)}
    assert found[1.0] == 1
    assert math.isnan(found[0.95])
