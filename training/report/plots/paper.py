"""Level means beside the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from training.report.plots.style import CHANCE, GREY, colour, drawing


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
    """A row a model, a panel a level; ours with a 95 % interval, the paper's as an open diamond."""
    names = list(dict.fromkeys(item.name for item in means))
    title = "Mean AUC of each level beside the paper's (other data: IMPC's images)"
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
