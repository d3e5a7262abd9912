"""ROC curves per class and level."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from sklearn.metrics import roc_curve

from services.common.labels import LABEL_ORDER
from training.evaluation.predictions import Predictions
from training.metrics.levels import LEVEL_COLUMNS
from training.metrics.ranking import auc_or_nan
from training.report.plots.style import GREY, drawing, line_styles


def draw_roc(path: Path, predictions: Predictions, title: str) -> None:
    """One panel a level, one curve a label; levels 2 and 3 among abnormal specimens."""
    with drawing(path, title, columns=3, size=(14, 7.2)) as axes:
        for axis, (level, columns) in zip(axes, LEVEL_COLUMNS.items(), strict=True):
            _level(axis, predictions, columns)
            population = "all specimens" if level == 1 else "among abnormal specimens"
            axis.set_title(f"Level {level}, {population}")
        axes[0].set_ylabel("Sensitivity")


def _level(axis: Axes, predictions: Predictions, columns: range) -> None:
    for column, (shade, dash) in zip(columns, line_styles(len(columns)), strict=True):
        scored = predictions.scored(column)
        truth, scores = predictions.labels[scored, column], predictions.scores(column)[scored]
        false_positive, true_positive, _ = roc_curve(truth, scores)
        name = f"{LABEL_ORDER[column]} {auc_or_nan(truth, scores):.3f} (n={int(truth.sum())})"
        axis.plot(false_positive, true_positive, color=shade, linestyle=dash, linewidth=2, label=name)
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="chance 0.500")
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", xlabel="1 - specificity")
    axis.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        ncols=2 if len(columns) > 4 else 1,
        title="AUC (positive specimens)",
        columnspacing=1,
        handlelength=2.4,
    )
