"""Where the trunk lies in a picture: a window that holds neck, ribs, spine and pelvis at one size, head up.

A tail that is stretched out makes the animal small in its picture, and a rib is then a pixel wide. The window is as
long as the animal, whatever its picture's scale; sampled from a tensor of 224 pixels it is enlarged some two times, of
448 pixels about once. It is found by moments of brightness alone, inside the served graph.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

ROWS: Final = 304
COLUMNS: Final = 136
"""Pixels of the window; multiples of 8."""
CELL: Final = 8
"""Pixels of the window to one cell of its map."""
_HEAD, _RUMP = -1.65, 1.55
"""Ends of the window along the body, in standard deviations of brightness from its centre: from 460 simulated mice,
whose cervical to sacral vertebrae, ribs, scapulae and pelvis lie within -1.69 and 1.60."""
_LEFT: Final = (-0.64, -0.86)
_RIGHT: Final = (0.80, 0.58)
"""Its sides, in the same unit, of DV and of LAT, in which the back lies left."""
_LEAST_CONTRAST: Final = 0.01
"""Grey level, of 1: fainter structure is noise, and is not enlarged any more."""
_LEAST_SPREAD: Final = 0.1
"""Of the picture's half side: keeps the window of a blank picture finite."""


def trunk_grid(views: Tensor) -> Tensor:
    """Return where the window's pixels lie in the views [n, 2, side, side] in [0, 1] (DV, LAT).

    The grid [2n, rows, columns, 2] is that of `torch.nn.functional.grid_sample` without aligned corners: x, y in
    [-1, 1].
    """
    middle_x, spread_x = _moments(views.sum(dim=2))
    middle_y, spread_y = _moments(views.sum(dim=3))
    spread = torch.stack([spread_y[:, 0], spread_x[:, 1]], dim=1).clamp(min=_LEAST_SPREAD)
    along = spread[..., None] * _steps(_HEAD, _RUMP, ROWS).to(views)
    sides = zip(_LEFT, _RIGHT, strict=True)
    across = spread[..., None] * torch.stack([_steps(*ends, COLUMNS) for ends in sides]).to(views)
    upright = _grid(middle_x[:, 0, None] + across[:, 0], middle_y[:, 0, None] + along[:, 0])
    # A lateral view has its head left and its back up: turned, so that both have the head up.
    lying = _grid(middle_y[:, 1, None] + across[:, 1], middle_x[:, 1, None] + along[:, 1]).flip(-1)
    return torch.stack([upright, lying], dim=1).flatten(0, 1)


def sample(pictures: Tensor, grid: Tensor) -> Tensor:
    """Sample [m, channels, side, side] at a grid [m, h, w, 2], linearly; beyond the picture is 0."""
    return functional.grid_sample(pictures, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def levelled(window: Tensor) -> Tensor:
    """Subtract from a window [m, 1, rows, columns] what is around each place, and divide by its spread there.

    Bone stands out from the soft tissue before and behind it by a tenth of its grey; what is left is around a half.
    """
    mean = _around(window)
    difference = window - mean
    spread = _around(difference**2).clamp(min=0).sqrt()
    return 0.5 + 0.2 * difference / (spread + _LEAST_CONTRAST)


def _around(window: Tensor) -> Tensor:
    coarse = functional.avg_pool2d(window, CELL)
    smooth = functional.avg_pool2d(coarse, 3, stride=1, padding=1, count_include_pad=False)
    return functional.interpolate(smooth, size=window.shape[-2:], mode="bilinear", align_corners=False)


def cells(grid: Tensor) -> Tensor:
    """Return the middles of the cells of a map of the window: [m, rows / 8, columns / 8, 2]."""
    return functional.avg_pool2d(grid.permute(0, 3, 1, 2), CELL).permute(0, 2, 3, 1)


def _moments(profile: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [n, 2] of the places in [-1, 1] of a profile of brightness [n, 2, side]."""
    places = _steps(-1.0, 1.0, profile.shape[-1]).to(profile)
    share = profile / profile.sum(dim=-1, keepdim=True).clamp(min=1e-3)
    middle = (share * places).sum(dim=-1)
    variance = (share * (places - middle[..., None]) ** 2).sum(dim=-1)
    return middle, variance.clamp(min=1e-6).sqrt()


def _steps(first: float, last: float, count: int) -> Tensor:
    """Middles of `count` equal steps."""
    return torch.linspace(first, last, 2 * count + 1)[1::2]


def _grid(x: Tensor, y: Tensor) -> Tensor:
    """Make [n, rows, columns, 2] of x [n, columns] and y [n, rows]."""
    rows, columns = y.shape[1], x.shape[1]
    return torch.stack([x[:, None].expand(-1, rows, -1), y[..., None].expand(-1, -1, columns)], dim=-1)
