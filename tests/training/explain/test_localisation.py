import math

import numpy as np
import pytest

from training.explain.heat_maps import on_grid, shares, summarise


def _cover(*cells: tuple[int, int, int]) -> np.ndarray:
    cover = np.zeros((1, 2, 4, 4), dtype=np.bool_)
    for cell in cells:
        cover[(0, *cell)] = True
    return cover


BONES = _cover(*((view, row, 1) for view in range(2) for row in range(4)))


def test_all_heat_on_the_altered_bone_is_1_and_elsewhere_0() -> None:
    altered = _cover((0, 1, 1))
    heat = np.zeros((1, 2, 4, 4), dtype=np.float32)
    heat[0, 0, 1, 1] = 3
    assert shares(heat, altered, BONES).heat == pytest.approx([1])
    assert shares(heat[:, ::-1], altered, BONES).heat == pytest.approx([0])


def test_uniform_heat_has_the_share_of_the_area_and_heat_on_all_bones_that_of_the_skeleton() -> None:
    altered = _cover((0, 1, 1), (1, 2, 1))
    even = np.ones((1, 1, 2, 2), dtype=np.float32)
    found = shares(even, altered, BONES)
    assert found.area == pytest.approx([2 / 32])
    assert found.heat == pytest.approx(found.area)
    on_bones = BONES.astype(np.float32)
    found = shares(on_bones, altered, BONES)
    assert found.heat == pytest.approx([2 / 8])
    assert found.skeleton == pytest.approx([2 / 8])


def test_larger_maps_are_averaged_and_one_map_covers_both_views() -> None:
    fine = np.zeros((1, 1, 8, 8), dtype=np.float32)
    fine[0, 0, 0, 0] = 4
    grid = on_grid(fine, 4)
    assert grid.shape == (1, 2, 4, 4)
    assert grid[0, :, 0, 0] == pytest.approx([1, 1])
    assert grid.sum() == pytest.approx(2)


def test_specimens_without_heat_are_counted_and_left_out_of_the_mean() -> None:
    altered = np.concatenate([_cover((0, 1, 1)), _cover((0, 1, 1)), _cover((0, 0, 1), (1, 0, 1))])
    heat = np.zeros((3, 2, 4, 4), dtype=np.float32)
    heat[0, 0, 1, 1] = 1
    heat[2] = 1
    found = summarise("Spine", shares(heat, altered, np.concatenate([BONES] * 3)))
    assert (found.specimens, found.without_heat) == (2, 1)
    assert found.heat.value == pytest.approx((1 + 2 / 32) / 2)
    assert found.heat.low <= found.heat.value <= found.heat.high
    assert found.area == pytest.approx((1 / 32 + 2 / 32) / 2)
    assert found.gain == pytest.approx(found.heat.value / found.area)


def test_no_heat_at_all_is_no_figure() -> None:
    found = summarise("Spine", shares(np.zeros((1, 1, 4, 4), dtype=np.float32), _cover((0, 1, 1)), BONES))
    assert (found.specimens, found.without_heat) == (0, 1)
    assert math.isnan(found.heat.value)
    assert math.isnan(found.gain)
