"""Heat on the altered bones over a test set, by label and by kind of abnormality.

A sheet of heat for each label: the specimens that the model is surest of, in the middle, and misses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.labels import LABEL_ORDER
from training.datasets.bone_truth import SIDE
from training.datasets.store import Images, Subset
from training.evaluation.predictions import Predictions
from training.explain.grad_cam import Rows
from training.explain.localisation import (
    HeatShares,
    Localisation,
    altered_cells,
    bone_cells,
    on_grid,
    shares,
    summarise,
)
from training.explain.maps import heat_maps
from training.explain.trained import TrainedBackbone
from training.report.plots.pictures import SheetRow, draw_heat_sheet


def draw_sheets(trained: TrainedBackbone, path_of: Callable[[str], Path], tell: Callable[[str], None]) -> list[str]:
    """Draw a sheet for each label that has positive specimens, under the label's path; returns these labels."""
    drawn = []
    for column, label in enumerate(LABEL_ORDER):
        chosen = spread(trained.predictions, column)
        if len(chosen):
            tell(path_of(label).name)
            titles, rows = _rows(trained, column, chosen)
            draw_heat_sheet(path_of(label), rows, titles, f"Heat of {label}, {trained.name}")
            drawn.append(label)
    return drawn


def spread(predictions: Predictions, column: int) -> Rows:
    """Rows of a label's most probable, median and least probable positive specimen; fewer if it has fewer."""
    positive = np.flatnonzero(predictions.known[:, column] & (predictions.labels[:, column] == 1))
    ranked = positive[np.argsort(-predictions.served[positive, column], kind="stable")]
    places = sorted({0, len(ranked) // 2, len(ranked) - 1}) if len(ranked) else []
    return ranked[places].astype(np.int64)


def _rows(trained: TrainedBackbone, column: int, chosen: Rows) -> tuple[list[str], list[SheetRow]]:
    test, predictions = trained.test, trained.predictions
    images = test.rows[chosen]
    maps = heat_maps(trained.backbone, test.images, images, np.full(len(chosen), column))
    fine = [on_grid(one.heat, SIDE) for one in maps]
    rows = [
        SheetRow(
            name=f"P = {predictions.served[specimen, column]:.2f}, {predictions.centres[specimen]}",
            views=np.moveaxis(test.images[row][..., :2], 2, 0),
            heats=tuple(heat[number] for heat in fine),
            altered=_altered(trained, row, column),
        )
        for number, (specimen, row) in enumerate(zip(chosen.tolist(), images.tolist(), strict=True))
    ]
    return [one.title for one in maps], rows


def _altered(trained: TrainedBackbone, row: int, column: int) -> NDArray[np.bool_]:
    bones = trained.test.bones
    return np.zeros((2, SIDE, SIDE), dtype=np.bool_) if bones is None else altered_cells(bones[row], column)


MOST_PAIRS: Final = 1500
"""Specimens times labels that are looked at; of a larger test set as many, evenly spaced."""
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
class Pairs:
    """Specimens (rows of the subset) with a positive label whose altered bones can be seen, [n] each."""

    specimens: Rows
    columns: Rows


def study(trained: TrainedBackbone) -> tuple[HeatStudy, ...]:
    """Compute the heat of every positive label from each source; empty where nobody knows which bones are altered."""
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


def positive_pairs(test: Subset, bones: Images) -> Pairs:
    """Every positive label of every specimen, where at least one cell of either view shows an altered bone."""
    specimens, columns = np.nonzero(test.labels == 1)
    places = zip(test.rows[specimens].tolist(), columns.tolist(), strict=True)
    chosen = np.flatnonzero([altered_cells(bones[row], column).any() for row, column in places])
    if len(chosen) > MOST_PAIRS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_PAIRS).astype(np.int64)]
    return Pairs(specimens[chosen], columns[chosen])


def _of_source(source: str, found: HeatShares, columns: Rows, single: NDArray[np.str_]) -> HeatStudy:
    labels = [summarise(label, found.part(columns == column)) for column, label in enumerate(LABEL_ORDER)]
    level1 = columns == 0
    names = sorted(set(single[level1].tolist()) - {""})
    kinds = [summarise(kind, found.part(level1 & (single == kind))) for kind in names]
    return HeatStudy(source, tuple(labels), tuple(one for one in kinds if one.specimens + one.blind >= FEWEST))


def _single_kinds(trained: TrainedBackbone) -> NDArray[np.str_]:
    """Kind of each test specimen's only finding [n]; empty where it has none, several, or nobody knows."""
    findings = trained.predictions.findings or ((),) * len(trained.test)
    return np.array([one[0].kind if len(one) == 1 else "" for one in findings])
