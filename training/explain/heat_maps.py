"""Heat over a whole test set: its share on altered bones by label and kind, and one sheet of examples per label.

The share is compared with what chance would give.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.labels import LABEL_ORDER
from training.datasets.arrays import Mask
from training.datasets.store import Images, Subset
from training.explain.heat import Heat, Rows, heat_maps
from training.explain.run_folder import TrainedBackbone
from training.metrics.predictions import Predictions
from training.metrics.ranking import Estimate, percentile_interval, resample
from training.plots.pictures import SheetRow, draw_heat_sheet
from training.simulation.bone_truth import SIDE, altered_cells, bone_cells


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


MOST_PAIRS: Final = 1500
"""Limit on specimens times labels in a study; a larger test set is sampled at even steps."""
FEWEST: Final = 3
"""Kinds with fewer specimens are left out."""


@dataclass(frozen=True)
class HeatStudy:
    """One source's heat on the altered bones.

    `labels`: heat of each positive label on the bones that set it, over the specimens that have the label. `kinds`:
    heat of level 1 on all altered bones, over the specimens whose only finding is of the kind.
    """

    source: str
    labels: tuple[Localisation, ...]
    kinds: tuple[Localisation, ...]


@dataclass(frozen=True)
class PositivePairs:
    """Specimens (rows of the subset) and positive labels whose altered bones are visible, [n] each."""

    specimens: Rows
    columns: Rows


def study(trained: TrainedBackbone) -> tuple[HeatStudy, ...]:
    """Compute the heat of every positive label from each source; empty where the altered bones are unknown."""
    test, bones = trained.test, trained.test.bones
    if bones is None:
        return ()
    pairs = positive_pairs(test, bones)
    rows = test.rows[pairs.specimens]
    altered = np.stack([altered_cells(bones[row], column) for row, column in zip(rows, pairs.columns, strict=True)])
    skeleton = np.stack([bone_cells(bones[row]) for row in rows])
    single = _single_kinds(trained)[pairs.specimens]
    return tuple(
        _of_source(one.title, shares(one.heat, altered, skeleton), pairs.columns, single)
        for one in heat_maps(trained.backbone, test.images, rows, pairs.columns)
    )


def positive_pairs(test: Subset, bones: Images) -> PositivePairs:
    """Every positive label of every specimen, where at least one cell of either view shows an altered bone."""
    specimens, columns = np.nonzero(test.labels == 1)
    candidates = zip(test.rows[specimens].tolist(), columns.tolist(), strict=True)
    chosen = np.flatnonzero([altered_cells(bones[row], column).any() for row, column in candidates])
    if len(chosen) > MOST_PAIRS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_PAIRS).astype(np.int64)]
    return PositivePairs(specimens[chosen], columns[chosen])


def _of_source(source: str, found: HeatShares, columns: Rows, single: NDArray[np.str_]) -> HeatStudy:
    labels = [summarise(label, found.part(columns == column)) for column, label in enumerate(LABEL_ORDER)]
    level1 = columns == 0
    names = sorted(set(single[level1].tolist()) - {""})
    kinds = [summarise(kind, found.part(level1 & (single == kind))) for kind in names]
    return HeatStudy(source, tuple(labels), tuple(one for one in kinds if one.specimens + one.without_heat >= FEWEST))


def _single_kinds(trained: TrainedBackbone) -> NDArray[np.str_]:
    """Kind of each test specimen's only finding [n]; empty where it has none or several, or findings are unknown."""
    findings = trained.predictions.findings or ((),) * len(trained.test)
    return np.array([one[0].kind if len(one) == 1 else "" for one in findings])


def draw_sheets(trained: TrainedBackbone, folder: Path, on_progress: Callable[[str], None]) -> list[Path]:
    """Draw one sheet for each label that has positive specimens, into files named by label; return the paths."""
    drawn = []
    for column, label in enumerate(LABEL_ORDER):
        chosen = spread(trained.predictions, column)
        if len(chosen):
            on_progress(f"drawing the heat of {label}")
            titles, rows = _rows(trained, column, chosen)
            drawn.append(folder / f"heat-{label}.png")
            draw_heat_sheet(drawn[-1], rows, titles, f"Heat of {label}, {trained.name}")
    return drawn


def spread(predictions: Predictions, column: int) -> Rows:
    """Rows of a label's most probable, median and least probable positive specimen; fewer if it has fewer."""
    positive = np.flatnonzero(predictions.known[:, column] & (predictions.labels[:, column] == 1))
    ranked = positive[np.argsort(-predictions.served[positive, column], kind="stable")]
    ranks = sorted({0, len(ranked) // 2, len(ranked) - 1}) if len(ranked) else []
    return ranked[ranks].astype(np.int64)


def _rows(trained: TrainedBackbone, column: int, chosen: Rows) -> tuple[list[str], list[SheetRow]]:
    test, predictions = trained.test, trained.predictions
    images = test.rows[chosen]
    maps = heat_maps(trained.backbone, test.images, images, np.full(len(chosen), column))
    grids = [on_grid(one.heat, SIDE) for one in maps]
    rows = [
        SheetRow(
            name=f"P = {predictions.served[specimen, column]:.2f}, {predictions.centres[specimen]}",
            views=np.moveaxis(test.images[row][..., :2], 2, 0),
            heats=tuple(heat[number] for heat in grids),
            altered=_altered(trained, row, column),
        )
        for number, (specimen, row) in enumerate(zip(chosen.tolist(), images.tolist(), strict=True))
    ]
    return [one.title for one in maps], rows


def _altered(trained: TrainedBackbone, row: int, column: int) -> Mask:
    bones = trained.test.bones
    return np.zeros((2, SIDE, SIDE), dtype=np.bool_) if bones is None else altered_cells(bones[row], column)
