"""Comparisons: level means next to the paper's, boxes over seeds, bars per group, and the level-3 confusion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from services.common.labels import LEVEL3
from training.metrics.decisions import Confusion
from training.metrics.groups import GroupAuc
from training.plots.style import CHANCE, GREY, colour, drawing

INPUTS: Final = ("DV", "LAT", "MV")
_FEWEST_FOR_A_BOX: Final = 3

Seeds = Mapping[str, Sequence[float]]
"""Level-mean AUC of each seed, by input."""


def draw_inputs(path: Path, models: Sequence[tuple[str, Mapping[int, Seeds]]]) -> None:
    """One panel per level, with DV, LAT and MV side by side and one box per model over its seeds; each seed is a point.

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


@dataclass(frozen=True)
class LevelMean:
    """One model's mean AUC of a level with its interval, and the paper's where it has one."""

    name: str
    level: int
    auc: float
    low: float
    high: float
    paper: float | None


def draw_level_means(path: Path, means: Sequence[LevelMean]) -> None:
    """One row per model, one panel per level; ours with a 95 % interval, the paper's as an open diamond."""
    names = list(dict.fromkeys(item.name for item in means))
    title = "Mean AUC of each level next to the paper's (other data: IMPC's images)"
    with drawing(path, title, columns=3, size=(14, 2.6 + 0.42 * len(names))) as axes:
        lowest = min(CHANCE, *(item.low for item in means), *(item.auc for item in means)) - 0.03
        for axis, level in zip(axes, (1, 2, 3), strict=True):
            _panel(axis, [item for item in means if item.level == level], names)
            axis.set(title=f"Level {level}", xlabel="AUC", xlim=(max(0, lowest), 1.01), ylim=(len(names) - 0.5, -0.5))
            axis.set_yticks(range(len(names)), names if level == 1 else [""] * len(names))
        handles = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
        for axis in axes[1:]:
            handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        axes[0].figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)


def _panel(axis: Axes, means: Sequence[LevelMean], names: Sequence[str]) -> None:
    axis.axvline(CHANCE, color=GREY, linestyle="--", linewidth=1, label="chance")
    for item in means:
        row = names.index(item.name)
        bounds = [[max(0.0, item.auc - item.low)], [max(0.0, item.high - item.auc)]]
        axis.errorbar(item.auc, row, xerr=bounds, fmt="o", color=colour(0), markersize=8, capsize=4, label="ours, 95 %")
        if item.paper is not None:
            axis.plot(
                item.paper, row, "D", color=colour(1), markersize=9, fillstyle="none", mew=2, zorder=3, label="paper"
            )


_DARK: Final = 0.5
"""From this share upwards, cividis is light enough for black digits."""


def draw_confusion(path: Path, found: Confusion, title: str) -> None:
    """Rows: the specimen's only level-3 label; columns: what was called, or none. Each cell shows its share."""
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


def draw_groups(path: Path, groups: Sequence[GroupAuc], title: str) -> None:
    """One bar per group from 0 to its AUC with the 95 % interval; hatched for centres that are not in training."""
    values = np.nan_to_num([(group.auc.value, group.auc.low, group.auc.high) for group in groups])
    places = range(len(groups))
    with drawing(path, title, size=(9, 2.2 + 0.45 * len(groups))) as (axis,):
        bars = axis.barh(places, values[:, 0], color=colour(4), edgecolor="black", linewidth=0.6, height=0.65)
        bounds = np.clip(np.abs(values[:, 1:].T - values[:, 0]), 0, None)
        axis.errorbar(values[:, 0], places, xerr=bounds, fmt="none", ecolor="black", capsize=4)
        for bar, group in zip(bars, groups, strict=True):
            bar.set_hatch("//" if group.in_training is False else "")
        names = [f"{group.name} ({group.abnormal} of {group.specimens} abnormal)" for group in groups]
        axis.set_yticks(places, [_marked(name, group) for name, group in zip(names, groups, strict=True)])
        axis.axvline(CHANCE, color=GREY, linestyle="--")
        axis.grid(visible=False, axis="y")
        axis.set(xlim=(0, 1), xlabel="Level-1 AUC with 95 % interval (dashed: chance)", ylim=(len(groups) - 0.5, -0.5))


def _marked(name: str, group: GroupAuc) -> str:
    return f"{name}, not in training" if group.in_training is False else name
