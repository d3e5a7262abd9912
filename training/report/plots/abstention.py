"""Abstention curve: what is gained by leaving the least certain specimens to a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.metrics.abstention import AbstentionPoint
from training.report.plots.style import CHANCE, GREY, MARKERS, colour, drawing


def draw_abstention(path: Path, curves: Sequence[tuple[str, Sequence[AbstentionPoint]]], commoner: float) -> None:
    """Level-1 accuracy and AUC against the share called, a curve a model; `commoner` is the larger class's share."""
    with drawing(path, "Level 1 when the least certain specimens are left out", columns=2, size=(12, 5.2)) as axes:
        for index, (name, points) in enumerate(curves):
            shares = [point.share for point in points]
            values = [point.accuracy for point in points], [point.auc for point in points]
            for axis, heights in zip(axes, values, strict=True):
                axis.plot(shares, heights, color=colour(index), marker=MARKERS[index % len(MARKERS)], label=name)
        axes[0].axhline(commoner, color=GREY, linestyle="--", label="always the commoner class")
        axes[1].axhline(CHANCE, color=GREY, linestyle="--", label="chance")
        axes[0].set(ylabel="Accuracy among the called")
        axes[1].set(ylabel="AUC among the called")
        lowest = min([CHANCE, commoner, *(np.nanmin([p.accuracy, p.auc]) for _, curve in curves for p in curve)])
        for axis in axes:
            axis.set(xlabel="Share of specimens called", xlim=(1.02, 0.08), ylim=(max(0, lowest - 0.05), 1.02))
            axis.legend(loc="best")
