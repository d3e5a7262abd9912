"""A sheet of heat for each label: the specimens that the model is surest of, in the middle, and misses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.common.labels import LABEL_ORDER
from training.datasets.bone_truth import SIDE
from training.evaluation.predictions import Predictions
from training.explain.heat.altered import altered_cells
from training.explain.heat.grad_cam import Rows
from training.explain.heat.localisation import on_grid
from training.explain.heat.maps import heat_maps
from training.explain.inspection.trained import Trained
from training.report.plots.heat import SheetRow, draw_heat_sheet


def draw_sheets(trained: Trained, path_of: Callable[[str], Path], tell: Callable[[str], None]) -> list[str]:
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


def _rows(trained: Trained, column: int, chosen: Rows) -> tuple[list[str], list[SheetRow]]:
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


def _altered(trained: Trained, row: int, column: int) -> NDArray[np.bool_]:
    bones = trained.test.bones
    return np.zeros((2, SIDE, SIDE), dtype=np.bool_) if bones is None else altered_cells(bones[row], column)
