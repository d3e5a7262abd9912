"""Reliability plot: probability said against share that came true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from training.evaluation.predictions import Labels, Numbers, Predictions
from training.metrics.levels import LEVEL_COLUMNS
from training.metrics.reliability import expected_calibration_error, reliability
from training.report.plots.style import GREY, colour, drawing


def draw_reliability(path: Path, predictions: Predictions, title: str) -> None:
    """One panel a level, the labels of a level pooled; all specimens, probabilities as served."""
    with drawing(path, title, columns=3, size=(14, 5.6)) as axes:
        for index, (axis, (level, columns)) in enumerate(zip(axes, LEVEL_COLUMNS.items(), strict=True)):
            known = predictions.known[:, columns]
            _panel(axis, predictions.labels[:, columns][known], predictions.served[:, columns][known], colour(index))
            axis.set_title(f"Level {level}" + (", labels pooled" if level > 1 else ""))
        axes[0].set_ylabel("Share that is positive")


def _panel(axis: Axes, truth: Labels, probabilities: Numbers, shade: str) -> None:
    points = reliability(truth, probabilities)
    said = [point.probability for point in points]
    found = np.array([(point.positives.value, point.positives.low, point.positives.high) for point in points])
    bounds = np.clip(np.abs(found[:, 1:].T - found[:, 0]), 0, None)
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="perfect")
    axis.errorbar(said, found[:, 0], yerr=bounds, color=shade, marker="o", linewidth=2, capsize=3, label="bins, 95 %")
    shares, edges = np.histogram(probabilities, bins=25, range=(0, 1))
    axis.bar(
        edges[:-1],
        0.2 * shares / shares.max(),
        width=0.04,
        align="edge",
        color="#C9C9C9",
        zorder=0.5,
        label="how often said\n(not to scale)",
    )
    error = expected_calibration_error(truth, probabilities)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel="Probability, as served")
    axis.legend(loc="upper left", title=f"Calibration error {error:.3f}")
