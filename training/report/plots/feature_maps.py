"""Channels of a layer's output beside the view that they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from training.report.plots.style import bare, grid_drawing


@dataclass(frozen=True)
class MapRow:
    """One layer's output for one view: `picture` [side, side] in 0..255, `maps` [channels, h, w]."""

    name: str
    picture: NDArray[Any]
    maps: NDArray[Any]


def draw_feature_maps(path: Path, rows: Sequence[MapRow], title: str) -> None:
    """A row a layer and view: the picture, then its maps, each from its smallest to its largest value."""
    columns = 1 + max(len(row.maps) for row in rows)
    with grid_drawing(path, title, (len(rows), columns), size=(1.6 * columns, 1.8 * len(rows) + 0.6)) as axes:
        for line, row in zip(axes, rows, strict=True):
            line[0].imshow(row.picture, cmap="gray", vmin=0, vmax=255)
            line[0].set_ylabel(row.name.replace(", ", "\n"), fontsize=10)
            for axis, channel in zip(line[1:], row.maps, strict=False):
                axis.imshow(channel, cmap="viridis")
            for axis in line:
                bare(axis)
