from itertools import permutations

import cv2
import numpy as np

from services.common.preprocessing import VIEW_SIDE
from services.fuser.fuse import Image, agreeing, mean_view
from tests.fuser.pictures import bone


def moved(image: Image, pixels: int, noise: int = 0) -> Image:
    """The image again, slightly moved and with its own noise."""
    matrix = np.array([[1, 0, pixels], [0, 1, 0]], dtype=np.float64)
    shifted = cv2.warpAffine(image, matrix, (VIEW_SIDE, VIEW_SIDE)).astype(np.int16)
    grain = np.random.default_rng(pixels).normal(0, noise, shifted.shape)
    return np.asarray(np.clip(shifted + grain, 0, 255), dtype=np.uint8)


def test_the_same_posture_is_averaged() -> None:
    once = bone(1)
    again = moved(once, 1, noise=3)
    assert agreeing([once, again]) == [0, 1]
    mean = (once.astype(np.int32) + again + 1) // 2
    assert np.array_equal(mean_view([once, again]), mean)


def test_two_postures_are_not_averaged() -> None:
    first, other = bone(1), bone(3)
    chosen = mean_view([first, other])
    assert any(np.array_equal(chosen, one) for one in (first, other))


def test_the_posture_of_most_images_is_used() -> None:
    odd, usual = bone(1), bone(3)
    views = [odd, usual, moved(usual, 1, noise=2)]
    assert agreeing(views) == [1, 2]


def test_of_two_postures_the_sharper_image_is_used() -> None:
    blurred = np.asarray(cv2.GaussianBlur(bone(1), (0, 0), 6), dtype=np.uint8)
    assert agreeing([blurred, bone(3)]) == [1]
    assert agreeing([bone(3), blurred]) == [0]


def test_order_changes_nothing() -> None:
    views = [bone(1), moved(bone(1), 1), bone(3), moved(bone(3), 1), bone(5)]
    means = {mean_view(order).tobytes() for order in permutations(views)}
    assert len(means) == 1


def test_empty_images_agree() -> None:
    empty = np.zeros((VIEW_SIDE, VIEW_SIDE), np.uint8)
    assert agreeing([empty, empty]) == [0, 1]
