"""Heat over the pictures it explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from training.report.plots.style import bare, grid_drawing

VIEWS: Final = ("DV", "LAT")
_OUTLINE: Final = "#00E5FF"
_OPACITY: Final = 0.75


@dataclass(frozen=True)
class SheetRow:
    """One specimen: `views` uint8 [2, side, side]; `heats` of each layer [2, h, w]; `altered` cells bool [2, h, w]."""

    name: str
    views: NDArray[np.uint8]
    heats: tuple[NDArray[np.float64], ...]
    altered: NDArray[np.bool_]


def draw_heat_sheet(path: Path, rows: Sequence[SheetRow], layers: Sequence[str], title: str) -> None:
    """A row a specimen: each view as it is, then under each layer's heat; altered bones are outlined.

    Each layer's heat is scaled to its largest value in the specimen's two views together.
    """
    columns = len(VIEWS) * (1 + len(layers))
    with grid_drawing(path, title, (len(rows), columns), size=(2.15 * columns, 2.25 * len(rows) + 0.7)) as axes:
        for line, row in zip(axes, rows, strict=True):
            line[0].set_ylabel(row.name, fontsize=11)
            for view in range(len(VIEWS)):
                panels = line[view * (1 + len(layers)) :]
                for panel, heat in zip(panels, (None, *row.heats), strict=False):
                    _overlay(panel, row, view, heat)
        names = [f"{view}\n{source}" for view in VIEWS for source in ("as it is", *layers)]
        for panel, name in zip(axes[0], names, strict=True):
            panel.set_title(name, fontsize=10)


def _overlay(axis: Axes, row: SheetRow, view: int, heat: NDArray[np.float64] | None) -> None:
    side = row.views.shape[-1]
    extent: Any = (0, side, side, 0)
    axis.imshow(row.views[view], cmap="gray", vmin=0, vmax=255, extent=extent)
    if heat is not None:
        strength = heat[view] / max(float(heat.max()), np.finfo(np.float64).tiny)
        axis.imshow(strength, cmap="inferno", alpha=strength * _OPACITY, extent=extent, vmin=0, vmax=1)
    if row.altered[view].any():
        cells = np.kron(row.altered[view], np.ones((4, 4)))
        axis.contour(cells, levels=[0.5], colors=_OUTLINE, linewidths=0.8, extent=(0, side, 0, side))
    bare(axis)
