"""How far a training has come: by its steps, or by its time if that is limited."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch


class TimeBudget(pl.Callback):
    """Stops a training after `minutes` of training, over all its starts; None is no limit.

    A run with a limit depends on the speed of the machine: only runs without one are reproducible.
    """

    def __init__(self, minutes: float | None) -> None:
        self._seconds = None if minutes is None else 60 * minutes
        self._before = 0.0
        self._started: float | None = None

    def share(self) -> float:
        """Return the share of the time that is spent, from 0; always 0 without a limit."""
        if self._seconds is None:
            return 0.0
        return self._spent() / self._seconds

    def read(self, checkpoint: Path) -> None:
        """Continue the clock of a checkpoint file, if it exists."""
        if checkpoint.exists():
            content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
            self.load_state_dict(content["callbacks"][self.state_key])

    def _spent(self) -> float:
        return self._before + (0.0 if self._started is None else time.monotonic() - self._started)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        del trainer, pl_module
        self._started = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Stop when the time is over; Lightning then validates and writes its checkpoints."""
        if self.share() >= 1:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return the time spent, which is stored in the checkpoint."""
        return {"spent": self._spent()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the clock of a checkpoint."""
        self._before = state_dict["spent"]
