"""A bar of an epoch's steps on a terminal."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class StepBar(pl.Callback):
    """Shows the steps of the running epoch and when it will end; lines printed on the console appear above it."""

    def __init__(self, console: Console) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._progress = Progress(*columns, console=console, transient=True)
        self._task: TaskID | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin a new bar."""
        del pl_module
        self._progress.start()
        if self._task is not None:
            self._progress.remove_task(self._task)
        steps = int(trainer.num_training_batches)
        self._task = self._progress.add_task(f"epoch {trainer.current_epoch + 1}, step", total=steps)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        del trainer, pl_module, outputs, batch
        if self._task is not None:
            self._progress.update(self._task, completed=batch_idx + 1)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Remove the bar, also when training ends early."""
        del trainer, pl_module, stage
        self._progress.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Remove the bar before the error is told."""
        del trainer, pl_module, exception
        self._progress.stop()
