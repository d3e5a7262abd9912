"""How much of the heat lies on the altered bones, against what any heat would have there by chance.

The cells of the simulator's bone truth that a label's heat should lie on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.labels import LABEL_ORDER
from training.datasets.bone_truth import CHANNELS, REGIONS
from training.explain.grad_cam import Heat
from training.metrics.ranking import Estimate, percentile_interval, resample

LEAST_COVER: Final = 10
"""A cell of which less than 10/255 is bone does not count as bone."""


def altered_cells(bones: NDArray[np.uint8], column: int) -> NDArray[np.bool_]:
    """Cells [2, side, side] of the bones that set a label (level 1: that any finding altered).

    `bones` is one specimen's truth uint8 [2, channels, side, side], `column` the label's in `LABEL_ORDER`.
    """
    return np.asarray(bones[:, altered_channel(column)] >= LEAST_COVER)


def altered_channel(column: int) -> int:
    """Channel of the bone truth that shows the bones behind a label of `LABEL_ORDER`."""
    return CHANNELS.index("altered" if column == 0 else f"altered: {LABEL_ORDER[column]}")


def bone_cells(bones: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Cells [2, side, side] of any bone of one specimen's truth uint8 [2, channels, side, side]."""
    return np.asarray((bones[:, : len(REGIONS)] >= LEAST_COVER).any(axis=1))


Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class HeatShares:
    """Of each specimen [n]: shares in 0..1.

    `heat`: of the heat, what lies in cells of altered bones (nan without any heat). Baselines: `area`, the altered
    cells' share of both views, is what evenly spread heat has there; `skeleton`, their share of all bones' cells, is
    what heat has that finds bone but not which.
    """

    heat: NDArray[np.float64]
    area: NDArray[np.float64]
    skeleton: NDArray[np.float64]

    def part(self, rows: Mask) -> HeatShares:
        """The chosen specimens."""
        return HeatShares(self.heat[rows], self.area[rows], self.skeleton[rows])


@dataclass(frozen=True)
class Localisation:
    """Mean shares over specimens; `heat` with the 95 % bootstrap interval; `blind` specimens have no heat at all."""

    name: str
    specimens: int
    blind: int
    heat: Estimate
    area: float
    skeleton: float

    @property
    def gain(self) -> float:
        """Heat's share as a multiple of the area's: 1 is chance."""
        return self.heat.value / self.area if self.area else math.nan


def shares(heat: Heat, altered: Mask, bones: Mask) -> HeatShares:
    """Compare heat [n, maps, h, w] with the cells of altered bones and of all bones, each [n, 2, side, side].

    One map for both views counts at its place in each of them. Each specimen has an altered cell in one of its views.
    """
    fine = on_grid(heat, altered.shape[-1])
    total = fine.sum(axis=(1, 2, 3))
    inside = np.where(altered, fine, 0).sum(axis=(1, 2, 3))
    found = np.full(len(fine), math.nan)
    np.divide(inside, total, out=found, where=total > 0)
    skeleton = altered.sum(axis=(1, 2, 3)) / (bones | altered).sum(axis=(1, 2, 3))
    return HeatShares(found, altered.mean(axis=(1, 2, 3)), skeleton)


def summarise(name: str, found: HeatShares) -> Localisation:
    """Mean over the specimens that have heat; their number may be 0."""
    seen = ~np.isnan(found.heat)
    heat = found.heat[seen]
    if not len(heat):
        return Localisation(name, 0, len(seen), Estimate(math.nan, math.nan, math.nan), math.nan, math.nan)
    resampled = resample(len(heat)) @ heat / len(heat)
    estimate = percentile_interval(float(heat.mean()), resampled)
    area, skeleton = float(found.area[seen].mean()), float(found.skeleton[seen].mean())
    return Localisation(name, len(heat), int((~seen).sum()), estimate, area, skeleton)


def on_grid(heat: Heat, side: int) -> NDArray[np.float64]:
    """Heat [n, maps, h, w] of both views on a grid of `side` cells, [n, 2, side, side]: finer maps are averaged."""
    both = np.broadcast_to(heat, (len(heat), 2, *heat.shape[2:]))
    how = cv2.INTER_AREA if heat.shape[-1] > side else cv2.INTER_LINEAR
    fine = [[cv2.resize(one, (side, side), interpolation=how) for one in views] for views in both]
    return np.asarray(fine, dtype=np.float64).reshape(-1, 2, side, side)
