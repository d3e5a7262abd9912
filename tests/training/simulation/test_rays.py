"""Ray thicknesses against closed forms."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from training.simulation.imaging.rays import Grid, add_up, greatest
from training.simulation.solids import Solids, rotation

STEP = 0.1


def grid(axes: np.ndarray | None = None, step: float = STEP) -> Grid:
    chosen = np.eye(3) if axes is None else axes
    pixels = round(60 / step)
    return Grid(chosen, chosen @ np.array([-30.0, -30.0, 0.0]), step, pixels, pixels)


def volume(solids: Solids, on: Grid) -> float:
    total = add_up(on, solids.all_tubes(), solids.all_ellipsoids())
    return float(total.sum()) * on.step**2


@given(angles=st.tuples(*[st.floats(-180, 180)] * 3), size=st.tuples(*[st.floats(1.0, 8.0)] * 3))
@settings(max_examples=25, deadline=None)
def test_an_ellipsoid_keeps_its_volume_from_every_side(
    angles: tuple[float, float, float], size: tuple[float, float, float]
) -> None:
    solids = Solids()
    solids.ellipsoid("bone", np.array([1.0, -2.0, 3.0]), rotation(*angles) * np.array(size))
    assert volume(solids, grid()) == pytest.approx(4 / 3 * np.pi * np.prod(size), rel=0.02)


@given(end=st.tuples(*[st.floats(-9, 9)] * 3))
@example(end=(0.0, 0.0, 9.0))
@example(end=(0.0, 0.0, -3.0))
@example(end=(0.3, -0.2, 8.0))
@settings(max_examples=25, deadline=None)
def test_a_tube_keeps_its_volume_from_every_side(end: tuple[float, float, float]) -> None:
    length = float(np.linalg.norm(end))
    if length < 3.0:
        return
    solids = Solids()
    solids.tubes("bone", np.zeros((1, 3)), np.array([end]), 1.5)
    assert volume(solids, grid()) == pytest.approx(np.pi * 1.5**2 * length, rel=0.03)


def test_thickness_through_the_middle_of_a_ball_is_its_diameter() -> None:
    solids = Solids()
    solids.ellipsoid("bone", np.zeros(3), np.eye(3) * 5.0)
    on = grid()
    total = add_up(on, None, solids.all_ellipsoids())
    assert total[300, 300] == pytest.approx(10.0, abs=0.02)
    assert total[300, 351] == pytest.approx(0.0, abs=0.5)
    assert total.shape == (600, 600)


def test_a_shell_is_thin_in_the_middle_and_bright_at_the_rim() -> None:
    solids = Solids()
    solids.ellipsoid("bone", np.zeros(3), np.eye(3) * 5.0, wall=0.5)
    on = grid()
    total = add_up(on, None, solids.all_ellipsoids())
    assert total[300, 300] == pytest.approx(1.0, abs=0.05)
    assert total[300, 345] > 3.0


def test_scale_multiplies_every_length() -> None:
    plain, double = Solids(1.0), Solids(2.0)
    for solids in (plain, double):
        solids.ellipsoid("bone", np.array([2.0, 0.0, 0.0]), np.eye(3) * 3.0)
        solids.tubes("bone", np.zeros((1, 3)), np.array([[6.0, 0.0, 0.0]]), 1.0)
    assert volume(double, grid()) == pytest.approx(8.0 * volume(plain, grid()), rel=0.02)


def test_overlapping_soft_tissue_of_one_group_counts_once() -> None:
    solids = Solids()
    solids.ellipsoids("soft", np.zeros((2, 3)), np.stack([np.eye(3) * 16.0] * 2))
    on = grid()
    cover = solids.all_ellipsoids()
    together = greatest(cover, np.array([0, 0]), 1, on)
    apart = greatest(cover, np.array([0, 1]), 2, on)
    assert together[300, 300] == pytest.approx(8.0, abs=0.02)
    assert apart[300, 300] == pytest.approx(16.0, abs=0.04)


def test_solids_outside_the_picture_leave_it_empty() -> None:
    solids = Solids()
    solids.ellipsoid("bone", np.array([500.0, 0.0, 0.0]), np.eye(3) * 5.0)
    solids.tubes("bone", np.array([[400.0, 0, 0]]), np.array([[410.0, 0, 0]]), 1.0)
    assert volume(solids, grid()) == 0.0
