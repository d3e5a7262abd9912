"""Learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from training.metrics.levels import LEVELS
from training.report.epochs import best_epoch
from training.report.plots.style import CHANCE, GREY, MARKERS, colour, drawing
from training.train.checkpoint import Epoch


def draw_learning(path: Path, epochs: Sequence[Epoch], title: str) -> None:
    """Loss of training and validation, and AUC of each level on validation specimens; the best epoch is marked."""
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
