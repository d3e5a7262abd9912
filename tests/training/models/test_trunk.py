import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from training.models.trunk import CELL, COLUMNS, ROWS, cell_centres, normalise_contrast, sample_at, trunk_grid


def body(length: int, middle: tuple[int, int], *, lying: bool, side: int = 224) -> Tensor:
    """A bright body with a darker head end; head up, or to the left if `lying`."""
    picture = np.zeros((side, side), dtype=np.float32)
    axes = (length // 2, length // 6) if lying else (length // 6, length // 2)
    cv2.ellipse(picture, middle, axes, 0, 0, 360, 0.6, -1)
    end = (middle[0] - axes[0], middle[1]) if lying else (middle[0], middle[1] - axes[1])
    cv2.circle(picture, end, length // 12, 1.0, -1)
    return torch.from_numpy(picture)


def windows(views: Tensor) -> Tensor:
    return sample_at(views.reshape(-1, 1, *views.shape[2:]), trunk_grid(views))


def test_both_views_have_the_head_up_and_fill_the_window() -> None:
    views = torch.stack([body(120, (100, 110), lying=False), body(90, (130, 150), lying=True)])[None]
    found = windows(views)
    assert found.shape == (2, 1, ROWS, COLUMNS)
    for window in found[:, 0]:
        head, rump = window[: ROWS // 8].amax(), window[-ROWS // 8 :].amax()
        assert head > 0.9
        assert rump < 0.7
        assert 0.8 * ROWS < (window.sum(dim=1) > 1).sum() <= ROWS


def test_the_back_of_a_lateral_view_is_on_the_left() -> None:
    lateral = body(100, (110, 120), lying=True)
    lateral[:120] *= 0.5
    window = windows(torch.stack([body(100, (110, 110), lying=False), lateral])[None])[1, 0]
    across = window[ROWS // 3 : 2 * ROWS // 3].mean(dim=0)
    body_columns = across[across > 0.1]
    assert body_columns[: len(body_columns) // 4].mean() < 0.4 < body_columns[-len(body_columns) // 4 :].mean()


@pytest.mark.parametrize("zoom", [0.6, 1.4])
def test_a_small_and_a_large_animal_look_the_same(zoom: float) -> None:
    once = torch.stack([body(100, (110, 110), lying=False), body(100, (110, 110), lying=True)])[None]
    length = round(100 * zoom)
    again = torch.stack([body(length, (90, 120), lying=False), body(length, (120, 130), lying=True)])[None]
    difference = (windows(once) - windows(again)).abs().mean()
    assert difference < 0.03


def test_a_tensor_of_higher_resolution_shows_the_same_window() -> None:
    coarse = torch.stack([body(120, (110, 112), lying=False), body(120, (112, 110), lying=True)])[None]
    fine = torch.nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    assert (windows(coarse) - windows(fine)).abs().mean() < 0.02
    torch.testing.assert_close(trunk_grid(coarse), trunk_grid(fine), atol=0.01, rtol=0)


def test_a_blank_view_has_a_finite_window() -> None:
    grid = trunk_grid(torch.zeros(1, 2, 224, 224))
    assert torch.isfinite(grid).all()
    assert torch.isfinite(normalise_contrast(sample_at(torch.zeros(2, 1, 224, 224), grid))).all()


def test_cells_are_centred_on_their_pixels() -> None:
    grid = trunk_grid(torch.stack([body(120, (100, 110), lying=False), body(90, (130, 150), lying=True)])[None])
    found = cell_centres(grid)
    assert found.shape == (2, ROWS // CELL, COLUMNS // CELL, 2)
    torch.testing.assert_close(found[1, 3, 2], grid[1, 24:32, 16:24].reshape(-1, 2).mean(dim=0))


def test_levelling_shows_faint_bone_under_bright_and_dark_tissue_alike() -> None:
    window = torch.full((1, 1, ROWS, COLUMNS), 0.2)
    window[..., COLUMNS // 2 :] = 0.8
    window[..., 20::24, :] += 0.05
    flat = normalise_contrast(window)[0, 0]
    bones = flat[20::24][2:-2]
    left, right = bones[:, 20:40].mean(), bones[:, -40:-20].mean()
    assert left > 0.6
    assert right == pytest.approx(float(left), abs=0.05)
