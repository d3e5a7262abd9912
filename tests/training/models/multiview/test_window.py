import math

import torch

from training.models.multiview.landmarks import rows_of
from training.models.multiview.window import (
    COLUMNS,
    ROWS,
    TRUNK_ROWS,
    in_window,
    place_window,
    shaken,
    window_grid,
    window_validity,
)
from training.simulation.landmarks import LANDMARKS

_SPINE = rows_of(tuple(name for name in LANDMARKS if name[0] in "CTLS" and name[1:].isdigit()))
_LEFT = rows_of(tuple(f"rib.left.{n}" for n in range(1, 15)))
_RIGHT = rows_of(tuple(f"rib.right.{n}" for n in range(1, 15)))


def _mouse(turn: float = 0.0, bend: float = 0.0, size: float = 1.0) -> torch.Tensor:
    """Landmarks [2, landmarks, 2]: a DV with its head up, turned by `turn` degrees, and a LAT with its head left."""
    along = torch.linspace(-0.5, 0.5, len(_SPINE))
    dv = torch.zeros(len(LANDMARKS), 2)
    dv[_SPINE] = torch.stack([bend * (along**2 - 0.08), along], dim=1)
    for rows, x in ((_LEFT, -0.15), (_RIGHT, 0.15)):
        dv[rows] = torch.stack([torch.full((14,), x), torch.linspace(-0.3, 0.1, 14)], dim=1)
    dv[rows_of(("pelvis.left", "pelvis.right"))] = torch.tensor([[-0.1, 0.42], [0.1, 0.42]])
    lat = dv.flip(-1)
    angle = math.radians(turn)
    rotation = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return torch.stack([dv @ rotation.T, lat]) * size


def _present() -> torch.Tensor:
    return torch.ones(2, len(LANDMARKS))


def test_holds_the_trunk_of_turned_bent_and_small_mice_with_the_head_up() -> None:
    for turn, bend, size in ((0, 0, 1), (30, 0, 1), (-60, 0, 0.6), (10, 1.2, 0.8), (180, 0, 0.5)):
        points = _mouse(turn, bend, size)
        window = place_window(points, _present())
        seen = in_window(points, window)[:, list(TRUNK_ROWS)]
        assert seen[..., 1].abs().max() < 1
        assert seen[..., 0].abs().max() < COLUMNS / ROWS
        neck, rump = (in_window(points[:, [row]], window)[:, 0, 1] for row in (_SPINE[0], _SPINE[-1]))
        assert (neck < -0.5).all()
        assert (rump > 0.5).all()


def test_a_tail_and_limbs_do_not_move_it() -> None:
    points = _mouse()
    moved = points.clone()
    others = [row for row in range(len(LANDMARKS)) if row not in TRUNK_ROWS]
    moved[:, others] += 0.7
    for one, other in zip(place_window(points, _present()), place_window(moved, _present()), strict=True):
        torch.testing.assert_close(one, other)


def test_absent_landmarks_hardly_count() -> None:
    points, present = _mouse(), _present()
    gone = rows_of(("C1", "C2", "C3"))
    cut = points.clone()
    cut[:, gone] = 5.0
    present[:, gone] = 0
    window, expected = place_window(cut, present), place_window(points, _present())
    assert (window.down - expected.down).abs().max() < 0.15


def test_keeps_left_on_the_left_in_a_dv_and_turns_the_back_of_a_lat_to_the_left() -> None:
    window = place_window(_mouse(), _present())
    grid = window_grid(window)
    assert grid.shape == (2, ROWS, COLUMNS, 2)
    assert (grid[0, :, 0, 0] < grid[0, :, -1, 0]).all()
    assert (grid[0, 0, :, 1] < grid[0, -1, :, 1]).all()
    assert (grid[1, :, 0, 1] < grid[1, :, -1, 1]).all()
    assert (grid[1, 0, :, 0] < grid[1, -1, :, 0]).all()


def test_grid_and_window_coordinates_agree() -> None:
    window = place_window(_mouse(25), _present())
    seen = in_window(window_grid(window).flatten(1, 2), window).unflatten(1, (ROWS, COLUMNS))
    expected = torch.linspace(-1, 1, 2 * ROWS + 1)[1::2]
    torch.testing.assert_close(seen[..., 1], expected[None, :, None].expand(2, -1, COLUMNS), atol=1e-4, rtol=0)
    assert (seen[..., 0].diff(dim=2) > 0).all()


def test_validity_falls_with_uncertain_and_contradicting_landmarks() -> None:
    points = _mouse()
    window = place_window(points, _present())
    sharp, vague = torch.full(points.shape[:2], 0.01), torch.full(points.shape[:2], 0.5)
    certain = window_validity((points, sharp), (points, sharp), window)
    uncertain = window_validity((points, vague), (points, sharp), window)
    contradicting = window_validity((points, sharp), (points.flip(1), sharp), window)
    assert certain > 0.9
    assert uncertain < 0.3
    assert contradicting < 0.3
    one_bad_view = torch.stack([sharp[0], vague[1]])
    assert window_validity((points, one_bad_view), (points, sharp), window) < 0.3


def test_shaken_windows_keep_a_unit_direction() -> None:
    torch.manual_seed(0)
    window = place_window(_mouse(), _present())
    moved = shaken(window)
    torch.testing.assert_close(moved.down.square().sum(dim=1), torch.ones(2))
    assert not torch.equal(moved.centre, window.centre)
    assert (moved.half / window.half - 1).abs().max() < 0.5
