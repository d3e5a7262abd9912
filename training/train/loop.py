"""Training of one backbone with PyTorch Lightning: deterministic by seed, one checkpoint per epoch, early stopping.

`ProgressReporter` is how long computations report what they do; the commands decide how it is shown.
"""

import hashlib
import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Protocol

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from torch import nn

from training.datasets.store import Subset
from training.models.spec import BackbonePlan
from training.train.batches import SpecimenData, steps_per_epoch
from training.train.checkpoint import (
    BEST,
    LAST,
    AtomicCheckpoints,
    Epoch,
    EpochHistory,
    OnEpoch,
    OnProgress,
    StepProgress,
    path_of,
    read_history,
    read_weights,
)
from training.train.checks import check_subsets
from training.train.hardware import Hardware
from training.train.module import BackboneModule


class ProgressReporter(Protocol):
    """Receives messages and progress. It must be picklable if several devices are used."""

    def message(self, text: str) -> None:
        """Receive one line about what was done or is done next."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Receive how much of `what` is done; it is over when `done` equals `total`."""


class SilentReporter:
    """Shows nothing."""

    def message(self, text: str) -> None:
        """Ignore a line."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Ignore progress."""


SILENT: Final = SilentReporter()


_ADVICE: Final = (
    # On two cores a worker process would take one of them from the training itself.
    r"The '\w+' does not have many workers",
    # A front end's frozen blocks stay in evaluation mode on purpose.
    r"Found \d+ module\(s\) in eval mode at the start of training",
    # A resumed run writes to the same folder.
    r"Checkpoint directory .* exists and is not empty",
    # Lightning's own code uses a function that torch has deprecated.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)
_LOGGERS: Final = ("pytorch_lightning", "lightning_fabric")


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Suppress Lightning's advice and its notes on the machine; its errors and all other warnings are shown."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in _ADVICE:
            warnings.filterwarnings("ignore", message=message)
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


TENSORBOARD: Final = "tensorboard"
_GRADIENT_NORM: Final = 5.0
_MONITOR: Final = "validation_loss"
_LOGGED_STEPS: Final = 10


class BackboneTraining:
    """Trains one backbone in a folder; `run` resumes an earlier run of the same folder."""

    def __init__(
        self,
        backbone: nn.Module,
        plan: BackbonePlan,
        train: Subset,
        validation: Subset,
        *,
        seed: int,
        hardware: Hardware | None = None,
    ) -> None:
        self._backbone = backbone
        self._plan = plan
        self._train = train
        self._validation = validation
        self._seed = seed
        self._hardware = hardware or Hardware()

    def run(self, folder: Path, on_epoch: OnEpoch, on_progress: OnProgress | None = None) -> list[Epoch]:
        """Train, leave the weights of the best epoch in the backbone and return all epochs.

        The folder receives `last.ckpt`, `best.ckpt` and TensorBoard's logs. `on_progress` receives the steps of each
        epoch. Raises Rejected if the specimens cannot be trained on (`training.train.checks`) or if the folder holds a
        run of another plan, seed or training set (`other_training_run`), Fatal if the loss is not a number or the plan
        trains level after level, and KeyboardInterrupt on Ctrl-C.
        """
        check_subsets({"train": self._train, "validation": self._validation})
        run = {"plan": asdict(self._plan), "seed": self._seed, "specimens": _rows_digest(self._train)}
        epochs = read_history(folder, run)
        if not is_over(epochs, self._plan):
            with quiet_lightning():
                self._fit(folder, EpochHistory(run, epochs, on_epoch), on_progress)
        self._backbone.load_state_dict(read_weights(folder, BEST))
        return read_history(folder, run)

    def _fit(self, folder: Path, history: EpochHistory, on_progress: OnProgress | None) -> None:
        plan, seed = self._plan, self._seed
        steps = plan.epochs * steps_per_epoch(len(self._train), plan.batch)
        self._backbone.train()
        module = BackboneModule(self._backbone, plan, self._train.labels, steps=steps, seed=seed)
        workers = self._hardware.workers
        data = SpecimenData(self._train, self._validation, batch=plan.batch, seed=seed, workers=workers)
        trainer = make_trainer(
            folder,
            plan,
            history,
            self._hardware,
            steps=steps_per_epoch(len(self._train), plan.batch),
            on_progress=on_progress,
        )
        fit_or_resume(trainer, module, data, folder)


def is_over(epochs: Sequence[Epoch], plan: BackbonePlan) -> bool:
    """Whether a run with these epochs has all of its plan, or waited long enough for a smaller validation loss."""
    losses = [epoch.validation_loss for epoch in epochs]
    waited = len(losses) - 1 - losses.index(min(losses)) if losses else 0
    return len(losses) >= plan.epochs or waited >= plan.patience


def fit_or_resume(trainer: pl.Trainer, module: pl.LightningModule, data: pl.LightningDataModule, folder: Path) -> None:
    """Train, from the last checkpoint of the folder if it has one; raises KeyboardInterrupt on Ctrl-C."""
    last = path_of(folder, LAST)
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, data, ckpt_path=last if last.exists() else None, weights_only=True)
    except SystemExit:
        # Lightning exits on Ctrl-C and ignores the next one; here the command decides what to do.
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


def make_trainer(
    folder: Path,
    plan: BackbonePlan,
    history: EpochHistory,
    hardware: Hardware,
    *,
    steps: int,
    on_progress: OnProgress | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> pl.Trainer:
    """Return the Trainer of a run in `folder`: `steps` per epoch, checkpoints, early stopping and logs."""
    every_epoch: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False, "save_on_train_epoch_end": True}
    return pl.Trainer(
        **hardware.trainer_options(plan.precision),
        max_epochs=plan.epochs,
        gradient_clip_val=_GRADIENT_NORM,
        callbacks=[
            *callbacks,
            history,
            EarlyStopping(_MONITOR, patience=plan.patience, check_on_train_epoch_end=True),
            ModelCheckpoint(filename=BEST, monitor=_MONITOR, save_weights_only=True, **every_epoch),
            # After the best weights: a run that is killed between the two repeats the epoch.
            ModelCheckpoint(filename=LAST, **every_epoch),
            *([StepProgress(on_progress)] if on_progress is not None else []),
        ],
        plugins=[AtomicCheckpoints()],
        logger=TensorBoardLogger(folder, name=TENSORBOARD, version=""),
        log_every_n_steps=min(_LOGGED_STEPS, steps),
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def weights_digest(backbone: nn.Module) -> str:
    """Return the SHA-256 of all weights, in order; equal training runs have equal digests."""
    digest = hashlib.sha256()
    for value in backbone.state_dict().values():
        digest.update(value.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def _rows_digest(subset: Subset) -> str:
    one_view = b"" if subset.input == "MV" else subset.input.encode()
    return hashlib.sha256(subset.rows.tobytes() + subset.labels.tobytes() + one_view).hexdigest()
