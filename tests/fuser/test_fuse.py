import hashlib
from itertools import permutations

import numpy as np
import pytest

from services.common.preprocessing import TENSOR_SIDE, VERSION, VIEW_SIDE
from services.fuser.fuse import SMALLEST_COMPONENT, fuse, mean_view
from services.fuser.service import npy
from tests.fuser.pictures import bone


def test_channels_are_the_halved_means_and_their_edges() -> None:
    dv, lat = bone(1), bone(2)
    tensor = fuse([dv], [lat])
    assert tensor.shape == (TENSOR_SIDE, TENSOR_SIDE, 3)
    assert tensor.dtype == np.uint8
    halves = dv.reshape(224, 2, 224, 2).astype(float).mean(axis=(1, 3))
    assert np.abs(tensor[..., 0] - halves).max() <= 1
    assert set(np.unique(tensor[..., 2])) <= {0, 102, 153, 255}
    assert (tensor[..., 2] > 0).sum() > 100


def test_the_dorsoventral_edges_weigh_more() -> None:
    flat = np.full((VIEW_SIDE, VIEW_SIDE), 40, np.uint8)
    assert fuse([bone(1)], [flat])[..., 2].max() == 153
    assert fuse([flat], [bone(1)])[..., 2].max() == 102


def test_fusion_is_bit_identical_in_any_order() -> None:
    dvs, lats = [bone(seed) for seed in range(3)], [bone(seed) for seed in range(10, 12)]
    digests = {
        hashlib.sha256(npy(fuse(order, lat_order))).hexdigest()
        for order in permutations(dvs)
        for lat_order in permutations(lats)
    }
    assert len(digests) == 1


def test_pixels_belong_to_a_preprocessing_version() -> None:
    """Fails when fusion changes: then raise VERSION and GENERATION in services/common/preprocessing.py."""
    tensor = fuse([bone(1), bone(3)], [bone(2)])
    assert (VERSION, hashlib.sha256(tensor.tobytes()).hexdigest()[:16]) == ("p2", "cb96be7012496a16")


def test_the_mean_rounds_half_up_and_never_overflows() -> None:
    white, grey = (np.full((VIEW_SIDE, VIEW_SIDE), value, np.uint8) for value in (255, 254))
    assert mean_view([white, grey])[0, 0] == 255
    assert mean_view([white] * 30)[0, 0] == 255


def test_small_components_are_cleaned() -> None:
    dot = np.zeros((VIEW_SIDE, VIEW_SIDE), np.uint8)
    dot[100:104, 100:104] = 255
    edges = fuse([dot], [dot])[..., 2]
    assert (edges > 0).sum() == 0
    large = np.zeros_like(dot)
    large[100:200, 100:200] = 255
    assert (fuse([large], [dot])[..., 2] > 0).sum() > SMALLEST_COMPONENT


def test_both_views_are_needed_at_their_size() -> None:
    with pytest.raises(ValueError, match="at least one"):
        fuse([], [bone(1)])
    with pytest.raises(ValueError, match="448"):
        fuse([bone(1)[:100]], [bone(1)])


def test_a_448_tensor_is_possible() -> None:
    assert fuse([bone(1)], [bone(2)], side=448).shape == (448, 448, 3)
