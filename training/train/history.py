"""The epochs of a run: told to the person who waits, kept in the checkpoints.

The epochs of a training run, as its checkpoint keeps them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from services.common.errors import Fatal
from training.train.checkpoint import LAST, Epoch, path_of, put_history
from training.train.module import LEVELS


def recorded_epochs(folder: Path) -> tuple[Epoch, ...]:
    """Epochs of the training run of one backbone, first to last; empty if the folder has no checkpoint."""
    path = path_of(folder, LAST)
    if not path.exists():
        return ()
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return tuple(Epoch(**epoch) for epoch in content["epochs"])


def best_epoch(epochs: tuple[Epoch, ...]) -> int:
    """Number, from 1, of the epoch with the smallest validation loss: its weights are the model's."""
    losses = [epoch.validation_loss for epoch in epochs]
    return 1 + losses.index(min(losses))


OnEpoch = Callable[[int, Epoch], None]
"""Called with an epoch's number, from 1, and its figures."""


class EpochHistory(pl.Callback):
    """Collects each epoch's figures; raises Fatal when a loss is not a number, leaving the last good checkpoint."""

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
            auroc=tuple(figures[f"validation_auroc_{level}"] for level in LEVELS),
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
        """Keep the epochs with the weights."""
        del trainer, pl_module
        put_history(checkpoint, self._run, self._epochs)
