"""Curves: ROC, reliability (probability against the share that is positive), abstention, and learning curves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import roc_curve

from services.common.labels import LABEL_ORDER
from training.datasets.arrays import Labels
from training.metrics.decisions import AbstentionPoint, expected_calibration_error, reliability
from training.metrics.predictions import Numbers, Predictions
from training.metrics.ranking import LEVEL_COLUMNS, LEVELS, auc_or_nan
from training.plots.style import CHANCE, GREY, MARKERS, colour, drawing, line_styles
from training.train.checkpoint import Epoch, best_epoch


def draw_reliability(path: Path, predictions: Predictions, title: str) -> None:
    """One panel per level with the level's labels pooled; all specimens, probabilities as served."""
    with drawing(path, title, columns=3, size=(14, 5.6)) as axes:
        for index, (axis, (level, columns)) in enumerate(zip(axes, LEVEL_COLUMNS.items(), strict=True)):
            known = predictions.known[:, columns]
            _panel(axis, predictions.labels[:, columns][known], predictions.served[:, columns][known], colour(index))
            axis.set_title(f"Level {level}" + (", labels pooled" if level > 1 else ""))
        axes[0].set_ylabel("Share that is positive")


def _panel(axis: Axes, truth: Labels, probabilities: Numbers, shade: str) -> None:
    points = reliability(truth, probabilities)
    means = [point.probability for point in points]
    found = np.array([(point.positives.value, point.positives.low, point.positives.high) for point in points])
    bounds = np.clip(np.abs(found[:, 1:].T - found[:, 0]), 0, None)
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="perfect")
    axis.errorbar(means, found[:, 0], yerr=bounds, color=shade, marker="o", linewidth=2, capsize=3, label="bins, 95 %")
    shares, edges = np.histogram(probabilities, bins=25, range=(0, 1))
    axis.bar(
        edges[:-1],
        0.2 * shares / shares.max(),
        width=0.04,
        align="edge",
        color="#C9C9C9",
        zorder=0.5,
        label="frequency\n(not to scale)",
    )
    error = expected_calibration_error(truth, probabilities)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel="Probability, as served")
    axis.legend(loc="upper left", title=f"Calibration error {error:.3f}")


def draw_abstention(path: Path, curves: Sequence[tuple[str, Sequence[AbstentionPoint]]], majority: float) -> None:
    """Level-1 accuracy and AUC against the share called, one curve per model; `majority` is the larger class share."""
    with drawing(path, "Level 1 when the least certain specimens are left out", columns=2, size=(12, 5.2)) as axes:
        for index, (name, points) in enumerate(curves):
            shares = [point.share for point in points]
            values = [point.accuracy for point in points], [point.auc for point in points]
            for axis, heights in zip(axes, values, strict=True):
                axis.plot(shares, heights, color=colour(index), marker=MARKERS[index % len(MARKERS)], label=name)
        axes[0].axhline(majority, color=GREY, linestyle="--", label="always the majority class")
        axes[1].axhline(CHANCE, color=GREY, linestyle="--", label="chance")
        axes[0].set(ylabel="Accuracy among the called")
        axes[1].set(ylabel="AUC among the called")
        lowest = min([CHANCE, majority, *(np.nanmin([p.accuracy, p.auc]) for _, curve in curves for p in curve)])
        for axis in axes:
            axis.set(xlabel="Share of specimens called", xlim=(1.02, 0.08), ylim=(max(0, lowest - 0.05), 1.02))
            axis.legend(loc="best")


def draw_learning(path: Path, epochs: Sequence[Epoch], title: str) -> None:
    """Training and validation loss, and validation AUC of each level; the best epoch is marked."""
    numbers = range(1, len(epochs) + 1)
    with drawing(path, title, columns=2, size=(12, 4.8)) as (loss, auc):
        loss.plot(numbers, [one.train_loss for one in epochs], color=colour(0), marker="o", label="training")
        loss.plot(numbers, [one.validation_loss for one in epochs], color=colour(1), marker="s", label="validation")
        loss.set_ylabel("Loss")
        for index, level in enumerate(LEVELS):
            values = [one.auroc[index] for one in epochs]
            auc.plot(numbers, values, color=colour(index), marker=MARKERS[index], label=f"level {level}")
        auc.axhline(CHANCE, color=GREY, linestyle="--", label="chance")
        auc.set_ylabel("Validation AUC, mean over the level")
        for axis in (loss, auc):
            axis.axvline(best_epoch(tuple(epochs)), color="black", linestyle=":", label="best epoch")
            axis.set_xlabel("Epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.legend(loc="best")


def draw_roc(path: Path, predictions: Predictions, title: str) -> None:
    """One panel per level, one curve per label; levels 2 and 3 among abnormal specimens."""
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
