import numpy as np

from training.explain.features import centre_from_features

CENTRES = ("JAX", "BCM", "ICS") * 40


def test_a_centre_that_shows_in_the_features_is_found() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(120, 10)).astype(np.float32)
    features[np.arange(120), [CENTRES.index(centre) for centre in CENTRES]] += 5
    found = centre_from_features(features, CENTRES)
    assert found is not None
    assert found.accuracy.value > 0.9
    assert (found.centres, found.specimens, found.chance) == (3, 120, 1 / 3)


def test_noise_does_not_reveal_the_centre() -> None:
    features = np.random.default_rng(1).normal(size=(120, 10)).astype(np.float32)
    found = centre_from_features(features, CENTRES)
    assert found is not None
    assert found.accuracy.low < found.chance < found.accuracy.high


def test_centres_of_too_few_specimens_are_left_out() -> None:
    features = np.random.default_rng(1).normal(size=(64, 3)).astype(np.float32)
    found = centre_from_features(features, ("JAX",) * 30 + ("BCM",) * 30 + ("ICS",) * 4)
    assert found is not None
    assert (found.centres, found.specimens) == (2, 60)
    assert centre_from_features(features, ("JAX",) * 60 + ("BCM",) * 4) is None
