import numpy as np
import pytest

from training.experiments.view_fusion import METHODS, average, gradients, min_max, principal_components, views_and_mean

SIDE = 16


def _views(seed: int = 0, specimens: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(specimens, 2, SIDE, SIDE), dtype=np.uint8)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_makes_a_picture_of_three_channels_from_each_specimen_alone(name: str) -> None:
    views = _views()
    made = METHODS[name](views)
    assert made.shape == (2, 3, SIDE, SIDE)
    assert made.dtype == np.uint8
    assert np.array_equal(made[1:], METHODS[name](views[1:]))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("grey", [0, 255])
def test_blank_views_give_finite_results(name: str, grey: int) -> None:
    made = METHODS[name](np.full((1, 2, SIDE, SIDE), grey, dtype=np.uint8))
    assert made[0, 0].min() == made[0, 0].max() == grey


def test_average_is_the_mean_in_all_channels() -> None:
    views = _views()
    made = average(views)
    assert np.array_equal(made[:, 0], made[:, 2])
    assert np.abs(made[:, 0] - views.astype(float).mean(axis=1)).max() <= 0.5


def test_projections_are_the_darker_and_the_brighter_pixel() -> None:
    views = _views()
    made = min_max(views)
    assert np.array_equal(made[:, 0], views.min(axis=1))
    assert np.array_equal(made[:, 1], views.max(axis=1))


def test_channels_keep_the_views() -> None:
    views = _views()
    assert np.array_equal(views_and_mean(views)[:, :2], views)


def test_the_first_component_of_equal_views_is_the_view_and_the_second_is_grey() -> None:
    views = np.repeat(_views()[:, :1], 2, axis=1)
    made = principal_components(views)
    assert np.array_equal(made[:, 0], views[:, 0])
    assert set(np.unique(made[:, 1]).tolist()) <= {127, 128}


def test_the_first_component_follows_the_view_that_varies() -> None:
    views = _views()
    views[:, 1] = 100
    made = principal_components(views)
    assert np.array_equal(made[:, 0], views[:, 0])


def test_the_second_component_is_brighter_where_the_dv_is() -> None:
    views = np.full((1, 2, SIDE, SIDE), 40, dtype=np.uint8)
    views[0, :, :8] = 200
    views[0, 0, 8:, 8:] = 120
    second = principal_components(views)[0, 1].astype(int)
    assert second[12, 12] > second[12, 2]


def test_gradients_prefer_the_view_that_has_the_edge() -> None:
    views = np.zeros((1, 2, SIDE, SIDE), dtype=np.uint8)
    views[0, 0, :, 8:] = 255
    views[0, 1] = 60
    blend, dorsoventral, lateral = gradients(views)[0]
    assert blend[8, 8] > 240
    assert blend[8, 2] == 30
    assert dorsoventral[8, 8] == 255
    assert dorsoventral[8, 2] == lateral.max() == 0
