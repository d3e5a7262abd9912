"""Bars with intervals: level-1 AUC per centre, or per range of severity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.metrics.groups import GroupAuc
from training.report.plots.style import CHANCE, GREY, colour, drawing


def draw_groups(path: Path, groups: Sequence[GroupAuc], title: str) -> None:
    """A bar a group from 0 to its AUC with the 95 % interval; hatched where training never saw the centre."""
    values = np.nan_to_num([(group.auc.value, group.auc.low, group.auc.high) for group in groups])
    places = range(len(groups))
    with drawing(path, title, size=(9, 2.2 + 0.45 * len(groups))) as (axis,):
        bars = axis.barh(places, values[:, 0], color=colour(4), edgecolor="black", linewidth=0.6, height=0.65)
        bounds = np.clip(np.abs(values[:, 1:].T - values[:, 0]), 0, None)
        axis.errorbar(values[:, 0], places, xerr=bounds, fmt="none", ecolor="black", capsize=4)
        for bar, group in zip(bars, groups, strict=True):
            bar.set_hatch("//" if group.seen is False else "")
        names = [f"{group.name} ({group.abnormal} of {group.specimens} abnormal)" for group in groups]
        axis.set_yticks(places, [_marked(name, group) for name, group in zip(names, groups, strict=True)])
        axis.axvline(CHANCE, color=GREY, linestyle="--")
        axis.grid(visible=False, axis="y")
        axis.set(xlim=(0, 1), xlabel="Level-1 AUC with 95 % interval (dashed: chance)", ylim=(len(groups) - 0.5, -0.5))


def _marked(name: str, group: GroupAuc) -> str:
    return f"{name}, not in training" if group.seen is False else name
