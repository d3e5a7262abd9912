"""The epochs of a training run: collected while it trains, kept in its checkpoints, reported to the caller."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from services.common.errors import Fatal
from training.metrics.ranking import LEVELS
from training.train.checkpoint import Epoch, put_history, read_history


def recorded_epochs(folder: Path) -> tuple[Epoch, ...]:
    """Return the epochs of one backbone's training run, first to last; empty if the folder has no checkpoint."""
    return tuple(read_history(folder))


def best_epoch(epochs: Sequence[Epoch]) -> int:
    """Return the number, from 1, of the epoch with the smallest validation loss: its weights are the model's."""
    losses = [epoch.validation_loss for epoch in epochs]
    return 1 + losses.index(min(losses))


OnEpoch = Callable[[int, Epoch], None]
"""Called with an epoch's number, from 1, and its figures."""
OnProgress = Callable[[str, int, int], None]
"""Called with what is done, how much of it is done, and its total."""


class EpochHistory(pl.Callback):
    """Collects each epoch's figures; raises Fatal when a loss is not a number and leaves the last good checkpoint."""

    def __init__(self, run: dict[str, Any], epochs: list[Epoch], on_epoch: OnEpoch) -> None:
        self._run = run
        self._epochs = epochs
        self._on_epoch = on_epoch
        self._started = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        del trainer, pl_module
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch; the checkpoints are written after this."""
        del pl_module
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        epoch = Epoch(
            train_loss=figures["train_loss_epoch"],
            validation_loss=figures["validation_loss"],
            auroc=tuple(figures[f"validation_auroc_level{level}"] for level in LEVELS),
            seconds=time.monotonic() - self._started,
        )
        if not (math.isfinite(epoch.train_loss) and math.isfinite(epoch.validation_loss)):
            msg = f"the loss of epoch {len(self._epochs) + 1} is not a number: choose a smaller learning rate"
            raise Fatal(msg)
        self._epochs.append(epoch)
        if trainer.is_global_zero:
            self._on_epoch(len(self._epochs), epoch)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the epochs with the weights."""
        del trainer, pl_module
        put_history(checkpoint, self._run, self._epochs)


class StepProgress(pl.Callback):
    """Reports the steps of the running epoch, from the first process only."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report one step."""
        del pl_module, outputs, batch
        if trainer.is_global_zero:
            what = f"epoch {trainer.current_epoch + 1}, step"
            self._on_progress(what, batch_idx + 1, int(trainer.num_training_batches))
