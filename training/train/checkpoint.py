"""The checkpoints of a training run, and its epochs, which are stored in them and reported to the caller.

`last.ckpt` is the state to resume from, `best.ckpt` has the weights of the best epoch, and `final.ckpt` those with the
retrained heads. A `final.ckpt` without a `last.ckpt` comes from a model repository (`training.experiments.studies`).
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

from services.common.atomic import atomic
from services.common.errors import Fatal, Rejected
from training.metrics.ranking import LEVELS

LAST: Final = "last"
BEST: Final = "best"
FINAL: Final = "final"
_PREFIX: Final = "backbone."
_RUN, _EPOCHS = "run", "epochs"


@dataclass(frozen=True)
class Epoch:
    """One epoch's mean training loss, validation loss and mean AUROC of each level on validation specimens.

    `auroc` is empty for an epoch that learns no labels. `figures` holds all other figures that were logged for the
    epoch, by name.
    """

    train_loss: float
    validation_loss: float
    auroc: tuple[float, ...]
    seconds: float
    figures: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        losses = f"training loss {self.train_loss:.4f}, validation loss {self.validation_loss:.4f}"
        auroc = ["AUROC " + " ".join(f"{value:.3f}" for value in self.auroc)] if self.auroc else []
        figures = [f"{name.replace('_', ' ')} {value:.3f}" for name, value in self.figures.items()]
        return ", ".join([losses, *auroc, *figures, f"{self.seconds:.0f} s"])


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint completely or not at all (Lightning's own holds it in memory twice and may be truncated)."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a new file, then replace the old one with it."""
        del storage_options
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic(Path(path)) as part:
            torch.save(checkpoint, part)


def path_of(folder: Path, name: str) -> Path:
    """Return the path of checkpoint `LAST`, `BEST` or `FINAL`."""
    return folder / f"{name}.ckpt"


def put_history(checkpoint: dict[str, Any], run: dict[str, Any], epochs: list[Epoch]) -> None:
    """Add the run's description and its epochs to a checkpoint."""
    checkpoint[_RUN] = run
    checkpoint[_EPOCHS] = [asdict(epoch) for epoch in epochs]


def read_history(folder: Path, run: dict[str, Any] | None = None) -> list[Epoch]:
    """Return the epochs that are done in a folder, first to last; empty without a checkpoint.

    Raises Rejected(`other_training_run`) if `run` is given and the folder holds a run of another description.
    """
    path = path_of(folder, LAST)
    if not path.exists():
        return []
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if run is not None:
        _check_same_run(folder, content[_RUN], run)
    return [Epoch(**epoch) for epoch in content[_EPOCHS]]


def _check_same_run(folder: Path, found: dict[str, Any], run: dict[str, Any]) -> None:
    differing = sorted(name for name in run.keys() | found.keys() if run.get(name) != found.get(name))
    if differing:
        message = f"{folder} holds a training run of another {', '.join(differing)}: choose another folder or remove it"
        raise Rejected("other_training_run", message, found=found, expected=run)


def read_weights(folder: Path, name: str) -> dict[str, Any]:
    """Return a backbone's state from checkpoint `BEST` or `FINAL`."""
    content = torch.load(path_of(folder, name), map_location="cpu", weights_only=True)
    state: dict[str, Any] = content["state_dict"]
    return {key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)}


def write_final(folder: Path, backbone: nn.Module) -> None:
    """Write `final.ckpt`, completely or not at all."""
    state = {_PREFIX + key: value for key, value in backbone.state_dict().items()}
    AtomicCheckpoints().save_checkpoint({"state_dict": state}, path_of(folder, FINAL))


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


_LOSSES: Final = ("train_loss", "train_loss_step", "train_loss_epoch", "validation_loss")


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
        named = [f"validation_auroc_level{level}" for level in LEVELS]
        own = {*named, *_LOSSES, "learning_rate"}
        epoch = Epoch(
            train_loss=figures["train_loss_epoch"],
            validation_loss=figures["validation_loss"],
            auroc=tuple(figures[name] for name in named if name in figures),
            seconds=time.monotonic() - self._started,
            figures={name.removeprefix("validation_"): value for name, value in figures.items() if name not in own},
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
