"""Reconstruction errors as histograms, and originals beside what was rebuilt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from training.report.plots.style import GREY, bare, colour, drawing, grid_drawing

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
    """A panel a figure (name, values [n], the paper's mean), normal and abnormal specimens [n] apart."""
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
    """A row a specimen: each channel of the tensor, then what was rebuilt of it."""
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
