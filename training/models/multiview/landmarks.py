"""Finds landmarks in cells: for each landmark a heat map, the point that it means, and whether it is present.

The point is the mean of the cells' positions under the softmax of the heat map (Sun et al., Integral Human Pose
Regression, ECCV 2018, arXiv:1711.08229). It is more precise than a cell, and it can be differentiated.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from training.simulation.landmarks import LANDMARKS

COUNTED: Final[tuple[tuple[str, ...], ...]] = (
    *(
        tuple(f"{region}{number}" for number in range(1, most + 1))
        for region, most in zip("CTLS", (7, 14, 6, 4), strict=True)
    ),
    *(tuple(f"rib.{side}.{number}" for number in range(1, 15)) for side in ("left", "right")),
)
"""Landmarks behind each of the `counts`: cervical, thoracic, lumbar, sacral vertebrae, ribs left and right."""
COUNTS: Final = ("cervical", "thoracic", "lumbar", "sacral", "ribs_left", "ribs_right")
_SMALLEST_VARIANCE: Final = 1e-6


def rows_of(names: tuple[str, ...]) -> list[int]:
    """Return the positions of landmarks in `LANDMARKS`."""
    return [LANDMARKS.index(name) for name in names]


class FoundLandmarks(NamedTuple):
    """Landmarks in the pictures of both views of n specimens; m is 2n, its rows alternate between DV and LAT.

    `heat` [m, landmarks, cells] are logits over the cells, at `places` [m, cells, 2]. `points` [m, landmarks, 2] and
    `spread` [m, landmarks], the standard deviation of the heat, are in the coordinates of the view: x and y in [-1, 1]
    from edge to edge. `presence` [m, landmarks] are logits.
    """

    heat: Tensor
    places: Tensor
    points: Tensor
    spread: Tensor
    presence: Tensor


class LandmarkHead(nn.Module):
    """Cells [m, width, h, w] at places [m, h, w, 2] to `FoundLandmarks`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heat = nn.Conv2d(width, len(LANDMARKS), kernel_size=1)
        self.presence = nn.Conv2d(width, len(LANDMARKS), kernel_size=1)

    def forward(self, cells: Tensor, places: Tensor) -> FoundLandmarks:
        """Find the landmarks; presence is read where the landmark is."""
        heat: Tensor = self.heat(cells).flatten(2).float()
        at = places.flatten(1, 2)
        share = torch.softmax(heat, dim=2)
        points = share @ at
        variance = (share @ (at * at).sum(dim=2, keepdim=True)).squeeze(2) - (points * points).sum(dim=2)
        presence = (share * self.presence(cells).flatten(2).float()).sum(dim=2)
        return FoundLandmarks(heat, at, points, (variance.clamp(min=0) + _SMALLEST_VARIANCE).sqrt(), presence)


def whole_places(rows: int, columns: int) -> Tensor:
    """Return the centres of the cells of a whole view: [1, rows, columns, 2], x and y in [-1, 1]."""
    y, x = (torch.linspace(-1, 1, 2 * count + 1)[1::2] for count in (rows, columns))
    return torch.stack([x.expand(rows, -1), y[:, None].expand(-1, columns)], dim=-1)[None]


def joint_presence(presence: Tensor) -> Tensor:
    """Return logits [n, landmarks] that a specimen has each landmark, from those [2n, landmarks] of its views.

    A landmark that one view shows clearly is present, even if the other view does not show it.
    """
    return presence.unflatten(0, (-1, 2)).amax(dim=1)


def expected_counts(presence: Tensor) -> Tensor:
    """Return the expected `COUNTS` [n, 6] from the logits of `joint_presence`."""
    probability = torch.sigmoid(presence)
    return torch.cat([probability[:, rows_of(names)].sum(dim=1, keepdim=True) for names in COUNTED], dim=1)
