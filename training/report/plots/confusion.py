"""Heat map of which level-3 labels are called on specimens that have only one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from services.common.labels import LEVEL3
from training.metrics.confusion import Confusion
from training.report.plots.style import drawing

_DARK: Final = 0.5
"""From this share on, cividis is light enough for black figures."""


def draw_confusion(path: Path, found: Confusion, title: str) -> None:
    """Rows: the specimen's only level-3 label; columns: what was called, or none; shares written into the cells."""
    with drawing(path, title, size=(11, 7.6)) as (axis,):
        image = axis.imshow(found.shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for row, column in np.argwhere(~np.isnan(found.shares)):
            share = found.shares[row, column]
            shade = "black" if share > _DARK else "white"
            axis.text(column, row, f"{share:.2f}" if share else "0", ha="center", va="center", color=shade, fontsize=11)
        rows = [f"{label} (n={count})" for label, count in zip(LEVEL3, found.specimens, strict=True)]
        axis.set_xticks(range(len(LEVEL3) + 1), [*LEVEL3, "none"], rotation=40, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(LEVEL3)), rows)
        axis.grid(visible=False)
        axis.set(xlabel="Called", ylabel="Only level-3 label")
        axis.figure.colorbar(image, ax=axis, label="Share of the row's specimens", pad=0.02)
