"""Box plots over seeds for DV, LAT and both views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from training.report.plots.style import CHANCE, GREY, colour, drawing

INPUTS: Final = ("DV", "LAT", "MV")
_FEWEST_FOR_A_BOX: Final = 3

Seeds = Mapping[str, Sequence[float]]
"""Level-mean AUC of each seed, by input."""


def draw_inputs(path: Path, models: Sequence[tuple[str, Mapping[int, Seeds]]]) -> None:
    """One panel a level, DV, LAT and MV along it, a box a model over its seeds, every seed a point.

    Fewer than three seeds are shown as points only: they have no quartiles.
    """
    most = max(len(seeds) for _, levels in models for inputs in levels.values() for seeds in inputs.values())
    with drawing(path, f"Mean AUC of each level, {most} seed{'s' * (most > 1)}", columns=3, size=(14, 5.4)) as axes:
        for axis, level in zip(axes, models[0][1], strict=True):
            for index, (name, levels) in enumerate(models):
                _boxes(axis, levels[level], name, index, len(models))
            axis.axhline(CHANCE, color=GREY, linestyle="--", linewidth=1)
            axis.set(title=f"Level {level}", xticks=range(len(INPUTS)), xticklabels=INPUTS, xlim=(-0.6, 2.6))
        axes[0].set_ylabel("AUC (dashed: chance)")
        lowest = min(axis.get_ylim()[0] for axis in axes)
        for axis in axes:
            axis.set_ylim(min(lowest, CHANCE - 0.02), 1.01)
        axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


def _boxes(axis: Axes, inputs: Seeds, name: str, index: int, models: int) -> None:
    width = 0.8 / models
    shift = (index - (models - 1) / 2) * width
    for place, views in enumerate(INPUTS):
        values = list(inputs.get(views, ()))
        spread = np.linspace(-0.15, 0.15, len(values)) * width if len(values) > 1 else np.zeros(len(values))
        if len(values) >= _FEWEST_FOR_A_BOX:
            axis.boxplot(
                values,
                positions=[place + shift],
                widths=width * 0.8,
                showfliers=False,
                manage_ticks=False,
                medianprops={"color": colour(index), "linewidth": 2},
                boxprops={"color": colour(index)},
                whiskerprops={"color": colour(index)},
                capprops={"color": colour(index)},
            )
        label = name if place == 0 else None
        axis.plot(place + shift + spread, values, "o", color=colour(index), markersize=5, alpha=0.8, label=label)
