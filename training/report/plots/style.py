"""What all figures share: size of type, colours that colour-blind people tell apart, and how a file is written."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's palette without its yellow, which is too pale for a line."""
GREY: Final = "#767676"
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
CHANCE: Final = 0.5
_LINES: Final = ("-", "--", "-.", ":")
_DOTS_PER_INCH: Final = 110
_SETTINGS: Final[dict[Any, Any]] = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12,
    "legend.fontsize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
}


@contextmanager
def drawing(path: Path, title: str, columns: int = 1, size: tuple[float, float] = (8, 5)) -> Iterator[list[Axes]]:
    """Yield axes side by side and write them to `path` as PNG; `size` is in inches at 110 dots per inch."""
    with grid_drawing(path, title, (1, columns), size) as axes:
        yield axes[0]


@contextmanager
def grid_drawing(
    path: Path, title: str, shape: tuple[int, int], size: tuple[float, float]
) -> Iterator[list[list[Axes]]]:
    """Yield rows of axes and write them to `path` as PNG; `size` is in inches at 110 dots per inch."""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=size, layout="compressed")
        axes = figure.subplots(*shape, squeeze=False)
        figure.suptitle(title, fontsize=14)
        yield [list(row) for row in axes]
        _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG of 256 colours, a third of the size: pages of documents are full of them."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DOTS_PER_INCH, bbox_inches="tight")
    with Image.open(drawn) as picture:
        # Maximum coverage keeps the few pixels of strongest heat; a median cut would paint them in the bones' colour.
        few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


def colour(index: int) -> str:
    """A colour by position, from the start again after the last."""
    return COLOURS[index % len(COLOURS)]


def line_styles(count: int) -> list[tuple[str, str]]:
    """Colour and dash of `count` curves, no two the same up to 28."""
    colours = islice(cycle(COLOURS), count)
    return [(shade, _LINES[index // len(COLOURS) % len(_LINES)]) for index, shade in enumerate(colours)]


def bare(axis: Axes) -> None:
    """Take ticks, grid and frame away, as under a picture."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
