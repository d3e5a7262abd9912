"""References on simulated Gaussians with known truth."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf as published

from services.common.decision.reference import (
    FEWEST,
    ReferenceStatistics,
    distances,
    estimate,
    ledoit_wolf,
    measure,
    recentre,
    relative_distances,
    shrink,
    whiten,
)

Numbers = NDArray[np.float64]
FEATURES = 12
SHIFT = 4.0


def training(scale: float = 1.0) -> ReferenceStatistics:
    return ReferenceStatistics(
        n=0,
        score_centre=np.full(14, -2.0),
        score_scale=np.full(14, scale),
        feature_mean=np.zeros(FEATURES),
        feature_covariance=np.eye(FEATURES),
    )


def controls(count: int, *, spread: float = 1.0, seed: int = 0) -> tuple[Numbers, Numbers]:
    random = np.random.default_rng(seed)
    scores = -2.0 + SHIFT + spread * random.normal(size=(count, 14))
    return scores, SHIFT + spread * random.normal(size=(count, FEATURES))


def test_measures_centre_scale_and_covariance_of_many_controls() -> None:
    found = measure(*controls(20_000, spread=1.5))
    np.testing.assert_allclose(found.score_centre, SHIFT - 2, atol=0.05)
    np.testing.assert_allclose(found.score_scale, 1.5, atol=0.05)
    np.testing.assert_allclose(found.feature_mean, SHIFT, atol=0.05)
    np.testing.assert_allclose(found.feature_covariance, 2.25 * np.eye(FEATURES), atol=0.1)


def test_a_few_mutants_among_the_controls_hardly_move_the_reference() -> None:
    scores, features = controls(40)
    scores[:4] += 50
    features[:4] += 50
    found = measure(scores, features)
    np.testing.assert_allclose(found.score_centre, SHIFT - 2, atol=0.8)
    np.testing.assert_allclose(found.feature_mean, SHIFT, atol=1.2)
    assert np.trace(found.feature_covariance) < 3 * FEATURES


@pytest.mark.parametrize("count", [5, 30, 400])
def test_shrinkage_of_the_covariance_is_that_of_ledoit_and_wolf(count: int) -> None:
    random = np.random.default_rng(count)
    values = random.normal(size=(count, FEATURES)) @ random.normal(size=(FEATURES, FEATURES))
    expected, _ = published(values)
    found = ledoit_wolf(values - values.mean(axis=0))
    np.testing.assert_allclose(found, expected + 1e-3 * np.eye(FEATURES), rtol=1e-9, atol=1e-9)


def test_shrinkage_weighs_controls_against_the_prior() -> None:
    own = measure(*controls(2))
    found = shrink(own, training())
    # The prior counts for two animals in locations and for twenty in scales.
    np.testing.assert_allclose(found.score_centre, (own.score_centre - 2) / 2)
    np.testing.assert_allclose(np.log(found.score_scale), np.log(own.score_scale) * 2 / 22)
    np.testing.assert_allclose(found.feature_mean, own.feature_mean / 2)


def test_without_controls_the_prior_remains() -> None:
    found = estimate(np.empty((0, 14)), np.empty((0, FEATURES)), training())
    assert found.model_dump_json() == training().model_dump_json()
    assert not found.sufficient


def test_many_controls_overrule_the_prior() -> None:
    found = estimate(*controls(5000, spread=2.0), training())
    np.testing.assert_allclose(found.score_centre, SHIFT - 2, atol=0.1)
    np.testing.assert_allclose(np.diag(found.feature_covariance), 4.0, atol=0.3)


def test_the_order_of_the_controls_does_not_matter() -> None:
    scores, features = controls(33)
    order = np.random.default_rng(1).permutation(33)
    first, second = estimate(scores, features, training()), estimate(scores[order], features[order], training())
    assert first.model_dump_json() == second.model_dump_json()


def test_recentring_makes_a_centres_controls_look_like_training() -> None:
    scores, features = controls(2000, spread=1.5)
    moved = recentre(scores, estimate(scores, features, training()), training())
    np.testing.assert_allclose(np.median(moved, axis=0), -2, atol=0.01)
    np.testing.assert_allclose(moved.std(axis=0), 1, atol=0.08)


def test_scores_are_never_stretched_beyond_twofold() -> None:
    reference = training().model_copy(update={"score_scale": np.full(14, 0.01)})
    moved = recentre(np.full((1, 14), -1.0), reference, training())
    np.testing.assert_allclose(moved, 0.0)


def test_whitened_controls_have_the_identity_as_covariance() -> None:
    random = np.random.default_rng(3)
    rotation, _ = np.linalg.qr(random.normal(size=(FEATURES, FEATURES)))
    mixing = np.linspace(0.5, 2, FEATURES)[:, None] * rotation
    features = random.normal(size=(5000, FEATURES)) @ mixing + 7
    reference = measure(random.normal(size=(5000, 14)), features)
    white = whiten(features, reference)
    np.testing.assert_allclose(np.cov(white.T), np.eye(FEATURES), atol=0.1)
    np.testing.assert_allclose(distances(features, reference), np.sqrt((white**2).mean(axis=1)))


@pytest.mark.parametrize("count", [FEWEST, 30, 300])
def test_a_new_control_is_about_as_far_as_a_typical_one_however_few_there_are(count: int) -> None:
    ratios = []
    for seed in range(20):
        reference = estimate(*controls(count, seed=seed), training())
        _, others = controls(50, seed=1000 + seed)
        ratios.append(np.median(relative_distances(others, reference)))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.12)


def test_statistics_survive_json() -> None:
    found = estimate(*controls(30), training())
    again = ReferenceStatistics.model_validate_json(found.model_dump_json())
    assert again.model_dump_json() == found.model_dump_json()
    np.testing.assert_allclose(again.feature_covariance, found.feature_covariance, rtol=1e-5)


@pytest.mark.parametrize("update", [{"score_scale": np.zeros(14)}, {"feature_mean": np.zeros(3)}])
def test_statistics_that_do_not_fit_together_are_refused(update: dict[str, Numbers]) -> None:
    with pytest.raises(ValueError, match="must have"):
        ReferenceStatistics.model_validate({**training().model_dump(), **update})
