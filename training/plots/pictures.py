"""Pictures of a model's internals: heat maps over views, feature maps, and reconstructions next to their originals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from training.plots.style import GREY, bare, colour, drawing, grid_drawing


@dataclass(frozen=True)
class MapRow:
    """One layer's output for one view: `picture` [side, side] in 0..255, `maps` [channels, h, w]."""

    name: str
    picture: NDArray[Any]
    maps: NDArray[Any]


def draw_feature_maps(path: Path, rows: Sequence[MapRow], title: str) -> None:
    """One row per layer and view: the picture, then its maps, each scaled from its smallest to its largest value."""
    columns = 1 + max(len(row.maps) for row in rows)
    with grid_drawing(path, title, (len(rows), columns), size=(1.6 * columns, 1.8 * len(rows) + 0.6)) as axes:
        for line, row in zip(axes, rows, strict=True):
            line[0].imshow(row.picture, cmap="gray", vmin=0, vmax=255)
            line[0].set_ylabel(row.name.replace(", ", "\n"), fontsize=10)
            for axis, channel in zip(line[1:], row.maps, strict=False):
                axis.imshow(channel, cmap="viridis")
            for axis in line:
                bare(axis)


CHANNELS: Final = ("mean DV", "mean LAT", "edges")
_BINS: Final = 30


@dataclass(frozen=True)
class Example:
    """One specimen: `original` and `rebuilt` [side, side, 3] in 0..1."""

    name: str
    original: NDArray[Any]
    rebuilt: NDArray[Any]


def draw_histograms(
    path: Path,
    figures: Sequence[tuple[str, NDArray[np.float64], float]],
    abnormal: NDArray[np.bool_],
    title: str,
) -> None:
    """One panel per figure (name, values [n], the paper's mean), with normal and abnormal specimens [n] separate."""
    with drawing(path, title, columns=len(figures), size=(6 * len(figures), 4.6)) as axes:
        for axis, (name, values, paper) in zip(axes, figures, strict=True):
            edges = np.histogram_bin_edges(values, bins=_BINS)
            for index, (group, mask) in enumerate((("normal", ~abnormal), ("abnormal", abnormal))):
                axis.hist(
                    values[mask],
                    bins=edges.tolist(),
                    color=colour(index),
                    alpha=0.55,
                    label=f"{group} (n={mask.sum()})",
                )
                if mask.any():
                    axis.axvline(float(values[mask].mean()), color=colour(index), linewidth=2)
            axis.axvline(paper, color=GREY, linestyle="--", label=f"paper's mean {paper:g} (other data)")
            axis.set(xlabel=name, ylabel="Test specimens")
            axis.legend(loc="best")


def draw_examples(path: Path, examples: Sequence[Example], title: str) -> None:
    """One row per specimen: each channel of the tensor next to its reconstruction."""
    columns = 2 * len(CHANNELS)
    with grid_drawing(path, title, (len(examples), columns), size=(2.15 * columns, 2.3 * len(examples) + 0.7)) as axes:
        for line, example in zip(axes, examples, strict=True):
            line[0].set_ylabel(example.name, fontsize=11)
            for channel, name in enumerate(CHANNELS):
                _picture(line[2 * channel], example.original[..., channel], name)
                _picture(line[2 * channel + 1], example.rebuilt[..., channel], f"{name}, rebuilt")


def _picture(axis: Axes, picture: NDArray[Any], title: str) -> None:
    axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axis.set_title(title, fontsize=10)
    bare(axis)


VIEWS: Final = ("DV", "LAT")
_OUTLINE: Final = "#00E5FF"
_OPACITY: Final = 0.75


@dataclass(frozen=True)
class SheetRow:
    """One specimen: `views` uint8 [2, side, side], `heats` of each layer [2, h, w], `altered` cells bool [2, h, w]."""

    name: str
    views: NDArray[np.uint8]
    heats: tuple[NDArray[np.float64], ...]
    altered: NDArray[np.bool_]


def draw_heat_sheet(path: Path, rows: Sequence[SheetRow], layers: Sequence[str], title: str) -> None:
    """One row per specimen: each view, then the view under each layer's heat; altered bones are outlined.

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
