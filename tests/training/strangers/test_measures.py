"""Measures of calls against known answers and published formulas."""

import math

import numpy as np
import pytest

from training.metrics.ranking import auc, resample
from training.strangers.measures import (
    auc_difference,
    auc_estimate,
    calibration_error,
    level_auc,
    positive_predictive_value,
)


def cohort(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = (random.random((count, 14)) < 0.4).astype(np.uint8)
    labels[:, 0] = random.random(count) < 0.5
    labels[labels[:, 0] == 0] = 0
    return labels, 1 / (1 + np.exp(-(3.0 * labels - 1.5 + random.normal(size=labels.shape) * 1.5)))


def test_level_means_count_abnormal_specimens_only() -> None:
    labels, probabilities = cohort()
    abnormal = labels[:, 0] == 1
    expected = np.mean([auc(labels[abnormal, column], probabilities[abnormal, column]) for column in (1, 2, 3)])
    value, resampled = level_auc(labels, probabilities, 2, resample(len(labels)))
    assert value == pytest.approx(expected)
    assert abs(resampled.mean() - expected) < 0.01


def test_a_label_without_both_classes_is_skipped_and_none_gives_nan() -> None:
    labels, probabilities = cohort()
    labels[:, 1] = 0
    value, _ = level_auc(labels, probabilities, 2, resample(len(labels)))
    assert 0.5 < value < 1
    labels[:] = 0
    assert math.isnan(auc_estimate(labels, probabilities, 1).value)


def test_the_interval_of_an_auc_covers_the_truth_about_as_often_as_it_says() -> None:
    truth, _ = level_auc(*cohort(20_000, seed=99), 1, resample(20_000, resamples=2))
    covered = [
        estimate.low <= truth <= estimate.high
        for estimate in (auc_estimate(*cohort(200, seed=seed), 1) for seed in range(40))
    ]
    assert np.mean(covered) >= 0.85


def test_a_paired_difference_is_much_narrower_than_two_intervals() -> None:
    labels, probabilities = cohort()
    worse = probabilities + np.random.default_rng(1).normal(size=probabilities.shape) * 0.02
    found = auc_difference(labels, probabilities, worse, 1)
    alone = auc_estimate(labels, probabilities, 1)
    assert found.high - found.low < (alone.high - alone.low) / 3
    same = auc_difference(labels, probabilities, probabilities, 3)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_calibrated_probabilities_have_no_error_and_shifted_ones_the_shift() -> None:
    random = np.random.default_rng(2)
    prevalence, count = 0.0305, 40_000
    truth = (random.random(count) < 0.5).astype(np.uint8)
    scores = 2.0 * truth - 1 + random.normal(size=count)
    logits = 2 * scores + math.log(prevalence / (1 - prevalence))
    probabilities = 1 / (1 + np.exp(-logits))
    subset = random.permutation(count)[:4000]
    assert calibration_error(truth[subset], probabilities[subset], prevalence).value < 0.006
    assert calibration_error(truth[subset], np.full(4000, 0.1305), prevalence).value == pytest.approx(0.1, abs=1e-6)


def test_predictive_value_is_bayes_rule_with_the_published_interval() -> None:
    truth = np.repeat([1, 0], [200, 200]).astype(np.uint8)
    called = np.zeros(400, dtype=np.bool_)
    called[:180] = True  # sensitivity 0.9
    called[200:210] = True  # false alarms 0.05
    found = positive_predictive_value(truth, called, 0.0305)
    assert found.value == pytest.approx(0.9 * 0.0305 / (0.9 * 0.0305 + 0.05 * 0.9695), abs=0.02)
    # Mercaldo et al. 2007: the variance of the logit of the predictive value.
    sensitivity, alarms = 180.5 / 201, 10.5 / 201
    half = 1.96 * math.sqrt((1 - sensitivity) / (sensitivity * 200) + (1 - alarms) / (alarms * 200))
    logit = math.log(found.value / (1 - found.value))
    assert math.log(found.high / (1 - found.high)) == pytest.approx(logit + half, abs=1e-3)


def test_predictive_value_needs_both_classes() -> None:
    assert math.isnan(positive_predictive_value(np.ones(3, np.uint8), np.ones(3, np.bool_), 0.03).value)
