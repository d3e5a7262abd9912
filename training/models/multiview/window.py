"""The trunk's window, placed by landmarks: neck to pelvis at a fixed size, with the head up in both views.

The direction is that of the line that fits the numbered vertebrae best, so it does not depend on the tail, the limbs
or the exposure. Unlike the moments of brightness (`training.models.trunk`), it holds for bent and turned animals.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor

from training.models.multiview.landmarks import rows_of

ROWS: Final = 304
COLUMNS: Final = 144
"""Pixels of the window; multiples of 16."""
CELL: Final = 8
_SPINE: Final = rows_of(
    (
        *(f"C{n}" for n in range(1, 8)),
        *(f"T{n}" for n in range(1, 14)),
        *(f"L{n}" for n in range(1, 6)),
        *(f"S{n}" for n in range(1, 5)),
    )
)
_TRUNK: Final = [
    *_SPINE,
    *rows_of(tuple(f"rib.{side}.{n}" for side in ("left", "right") for n in range(1, 13))),
    *rows_of(("pelvis.left", "pelvis.right")),
]
"""Landmarks that every mouse has, and that the window contains."""
_ALONG: Final = 2.25
"""Half the window's length, in standard deviations of the trunk's landmarks along the body."""
_ACROSS: Final = 3.0
"""Half the window's width, in standard deviations across the body: the back of a crouched mouse and the ribs fit in."""
_LEAST_WEIGHT: Final = 0.02
"""Weight of an absent landmark: keeps the window of a picture without landmarks finite."""
_SMALLEST, _LARGEST = 0.15, 1.3
"""Limits of half the window's length, in halves of the picture's side."""
_UNCERTAINTY: Final = 4.0
"""How fast validity falls with the uncertainty of the landmarks, in halves of the window's length."""


class TrunkWindow(NamedTuple):
    """Windows of m views, in the view's coordinates: x and y in [-1, 1].

    `centre` is [m, 2], `down` [m, 2] the unit vector from head to tail, `half` [m] half the length.
    """

    centre: Tensor
    down: Tensor
    half: Tensor


def place_window(points: Tensor, weight: Tensor) -> TrunkWindow:
    """Place the windows of m views by landmarks, float32 [m, landmarks, 2], with weights [m, landmarks] in [0, 1]."""
    spine, share = points[:, _SPINE], _share(weight[:, _SPINE])
    order = torch.linspace(-1, 1, len(_SPINE)).to(points)
    middle = (share * order).sum(dim=1, keepdim=True)
    direction = ((share * (order - middle))[..., None] * spine).sum(dim=1)
    down = direction / (direction.square().sum(dim=1, keepdim=True) + 1e-12).sqrt()
    trunk, share = points[:, _TRUNK], _share(weight[:, _TRUNK])
    centre = (share[..., None] * trunk).sum(dim=1)
    away = trunk - centre[:, None]
    along = (away * down[:, None]).sum(dim=2)
    across = away[..., 0] * down[:, None, 1] - away[..., 1] * down[:, None, 0]
    length = _ALONG * ((share * along * along).sum(dim=1) + 1e-9).sqrt()
    width = _ACROSS * ((share * across * across).sum(dim=1) + 1e-9).sqrt()
    half = torch.maximum(length, width * (ROWS / COLUMNS)).clamp(_SMALLEST, _LARGEST)
    return TrunkWindow(centre, down, half)


def _share(weight: Tensor) -> Tensor:
    kept = weight + _LEAST_WEIGHT
    return kept / kept.sum(dim=1, keepdim=True)


def window_grid(window: TrunkWindow) -> Tensor:
    """Return the positions [m, rows, columns, 2] of the windows' pixels, for `training.models.trunk.sample_at`.

    A DV keeps its sides. A LAT, whose back is up, is turned so that its back is on the left.
    """
    y = _steps(ROWS).to(window.half)
    x = _steps(COLUMNS).to(window.half) * (COLUMNS / ROWS)
    turned = torch.stack([window.down[:, 1], -window.down[:, 0]], dim=1)
    right = (turned.unflatten(0, (-1, 2)) * window.half.new_tensor([[1.0], [-1.0]])).flatten(0, 1)
    size = window.half[:, None, None, None]
    rows = size * y[None, :, None, None] * window.down[:, None, None]
    columns = size * x[None, None, :, None] * right[:, None, None]
    return window.centre[:, None, None] + rows + columns


def _steps(count: int) -> Tensor:
    return torch.linspace(-1, 1, 2 * count + 1)[1::2]


def in_window(points: Tensor, window: TrunkWindow) -> Tensor:
    """Return points [m, k, 2] of the views in the windows' coordinates: x to the animal's side, y from head to tail."""
    away = points - window.centre[:, None]
    y = (away * window.down[:, None]).sum(dim=2)
    x = away[..., 0] * window.down[:, None, 1] - away[..., 1] * window.down[:, None, 0]
    signed = x.unflatten(0, (-1, 2)) * x.new_tensor([[1.0], [-1.0]])
    return torch.stack([signed.flatten(0, 1), y], dim=2) / window.half[:, None, None]


def window_validity(whole: tuple[Tensor, Tensor], trunk: tuple[Tensor, Tensor], window: TrunkWindow) -> Tensor:
    """Return the validity [n] of the windows of n specimens, in (0, 1]: that of the less certain view.

    `whole` and `trunk` are the points [2n, landmarks, 2] and spreads [2n, landmarks] that were found in the whole
    views and in the windows. A window is valid if its landmarks were found at one place each, and at the same place
    both times. Noise, a black picture or another animal gives landmarks anywhere.
    """
    apart = (whole[0] - trunk[0])[:, _TRUNK].square().sum(dim=2).sqrt()
    uncertainty = (whole[1][:, _TRUNK] + apart).mean(dim=1) / window.half
    return torch.exp(-_UNCERTAINTY * uncertainty).unflatten(0, (-1, 2)).amin(dim=1)


def shaken(window: TrunkWindow, random: torch.Generator | None = None) -> TrunkWindow:
    """Return windows moved, turned and scaled at random, so that a network learns to read badly placed ones."""
    shift, turn, zoom = (
        torch.randn(shape, generator=random).to(window.half)
        for shape in (window.centre.shape, window.half.shape, window.half.shape)
    )
    angle = 0.08 * turn
    cosine, sine = torch.cos(angle)[:, None], torch.sin(angle)[:, None]
    side = torch.stack([-window.down[:, 1], window.down[:, 0]], dim=1)
    half = window.half * torch.exp(0.08 * zoom)
    return TrunkWindow(window.centre + 0.06 * window.half[:, None] * shift, cosine * window.down + sine * side, half)


TRUNK_ROWS: Final = tuple(_TRUNK)
