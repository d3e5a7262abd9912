"""Shared by all figures: font sizes, colours that colour-blind people can distinguish, and how a PNG is written."""

import io
import re
from collections.abc import Iterator, Sequence
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
_GAP: Final = 12
"""Pixels between the pictures of a sheet."""
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
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DOTS_PER_INCH, bbox_inches="tight")
    with Image.open(drawn) as picture:
        _write(picture.convert("RGB"), path)


def _write(picture: Image.Image, path: Path) -> None:
    """Write a PNG with 256 colours, which takes a third of the space."""
    # Maximum coverage keeps the few pixels of strongest heat; a median cut would paint them in the bones' colour.
    indexed = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    indexed.save(path, optimize=True)


def assemble(path: Path, pictures: Sequence[Path], columns: int = 1, scale: float = 1.0) -> None:
    """Write one PNG sheet of pictures, row by row in their order, each scaled and at the top left of its cell."""
    panels = [_panel(picture, scale) for picture in pictures]
    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    width = max(panel.width for panel in panels) + _GAP
    heights = [max(panel.height for panel in row) + _GAP for row in rows]
    sheet = Image.new("RGB", (width * len(rows[0]), sum(heights)), "white")
    for number, row in enumerate(rows):
        for column, panel in enumerate(row):
            sheet.paste(panel, (column * width, sum(heights[:number])))
    _write(sheet, path)


def _panel(path: Path, scale: float) -> Image.Image:
    with Image.open(path) as picture:
        size = round(picture.width * scale), round(picture.height * scale)
        return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def file_name(kind: str, name: str) -> str:
    """File name of a picture of a named run, such as `heat-convnext-small-mv-seed-1.png`."""
    return f"{re.sub(r'[^a-z0-9.]+', '-', f'{kind}-{name}'.lower())}.png"


def colour(index: int) -> str:
    """A colour by position; the palette repeats after its last colour."""
    return COLOURS[index % len(COLOURS)]


def line_styles(count: int) -> list[tuple[str, str]]:
    """Colour and dash of `count` curves; all are different up to 28."""
    colours = islice(cycle(COLOURS), count)
    return [(shade, _LINES[index // len(COLOURS) % len(_LINES)]) for index, shade in enumerate(colours)]


def bare(axis: Axes) -> None:
    """Remove ticks, grid and frame, for axes that show an image."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
