"""How much of the heat falls on the altered bones, compared with what chance would give."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets.missing import Mask
from training.explain.heat import Heat
from training.metrics.ranking import Estimate, percentile_interval, resample


@dataclass(frozen=True)
class HeatShares:
    """Shares in 0..1 for each specimen [n].

    `heat` is the share of the heat in cells of altered bones (nan without any heat). Two baselines: `area` is the
    altered cells' share of both views, which is what evenly spread heat would have. `skeleton` is their share of all
    bone cells, which is what heat would have that finds bone but not the altered one.
    """

    heat: NDArray[np.float64]
    area: NDArray[np.float64]
    skeleton: NDArray[np.float64]

    def part(self, rows: Mask) -> HeatShares:
        """The chosen specimens."""
        return HeatShares(self.heat[rows], self.area[rows], self.skeleton[rows])


@dataclass(frozen=True)
class Localisation:
    """Mean shares over specimens; `heat` with its 95 % bootstrap interval; `without_heat` counts the excluded ones."""

    name: str
    specimens: int
    without_heat: int
    heat: Estimate
    area: float
    skeleton: float

    @property
    def gain(self) -> float:
        """The heat's share as a multiple of the area's: 1 is chance."""
        return self.heat.value / self.area if self.area else math.nan


def shares(heat: Heat, altered: Mask, bones: Mask) -> HeatShares:
    """Compare heat [n, maps, h, w] with the cells of altered bones and of all bones, each [n, 2, side, side].

    One map for both views counts in each of them. Each specimen has an altered cell in at least one view.
    """
    grid = on_grid(heat, altered.shape[-1])
    total = grid.sum(axis=(1, 2, 3))
    inside = np.where(altered, grid, 0).sum(axis=(1, 2, 3))
    found = np.full(len(grid), math.nan)
    np.divide(inside, total, out=found, where=total > 0)
    skeleton = altered.sum(axis=(1, 2, 3)) / (bones | altered).sum(axis=(1, 2, 3))
    return HeatShares(found, altered.mean(axis=(1, 2, 3)), skeleton)


def summarise(name: str, found: HeatShares) -> Localisation:
    """Mean over the specimens that have heat; their number may be 0."""
    has_heat = ~np.isnan(found.heat)
    heat = found.heat[has_heat]
    if not len(heat):
        return Localisation(name, 0, len(has_heat), Estimate(math.nan, math.nan, math.nan), math.nan, math.nan)
    resampled = resample(len(heat)) @ heat / len(heat)
    estimate = percentile_interval(float(heat.mean()), resampled)
    area, skeleton = float(found.area[has_heat].mean()), float(found.skeleton[has_heat].mean())
    return Localisation(name, len(heat), int((~has_heat).sum()), estimate, area, skeleton)


def on_grid(heat: Heat, side: int) -> NDArray[np.float64]:
    """Heat [n, maps, h, w] of both views on a grid of `side` cells, [n, 2, side, side]; larger maps are averaged."""
    both = np.broadcast_to(heat, (len(heat), 2, *heat.shape[2:]))
    method = cv2.INTER_AREA if heat.shape[-1] > side else cv2.INTER_LINEAR
    grid = [[cv2.resize(one, (side, side), interpolation=method) for one in views] for views in both]
    return np.asarray(grid, dtype=np.float64).reshape(-1, 2, side, side)
