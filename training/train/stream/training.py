"""Trains a multiview backbone on a stream of drawn specimens, with checkpoints, resumption and a limit of time."""

import hashlib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pytorch_lightning as pl
from torch import nn

from services.common.errors import Fatal
from training.models.multiview.backbone import MultiviewBackbone
from training.models.multiview.stems import AutoencoderStem
from training.models.spec import BackbonePlan, StreamPlan
from training.train.checkpoint import (
    BEST,
    LAST,
    Epoch,
    EpochHistory,
    OnEpoch,
    OnProgress,
    path_of,
    read_history,
    read_weights,
)
from training.train.hardware import Hardware
from training.train.loop import fit_or_resume, is_over, make_trainer, quiet_lightning
from training.train.module import HierarchicalLoss
from training.train.stream.budget import TimeBudget
from training.train.stream.module import MultiviewModule, ReconstructionModule
from training.train.stream.specimens import DrawnBatch, DrawnBatches, DrawSpecimen, StreamData

RECONSTRUCTION: Final = "reconstruction"
"""Folder of the first stage, in that of the run."""
_RECONSTRUCTION_SHARE: Final = 0.2
"""Of a limited time: at most this much for the first stage."""


@dataclass(frozen=True)
class Stream:
    """Where training specimens come from, and the fixed ones to validate on.

    `first_seed` is the seed of the first specimen; `name` identifies what `draw` draws.
    """

    draw: DrawSpecimen
    first_seed: int
    name: str
    validation: DrawnBatch


@dataclass(frozen=True)
class _Stage:
    """One stage: what is trained, and how."""

    folder: Path
    trained: nn.Module
    module: pl.LightningModule
    plan: BackbonePlan
    budget: TimeBudget


@dataclass
class StreamTraining:
    """Trains `backbone` by a plan with a stream; `minutes` limits the time of training, None by the plan alone."""

    backbone: MultiviewBackbone
    plan: BackbonePlan
    stream: Stream
    seed: int
    minutes: float | None = None
    hardware: Hardware = field(default_factory=Hardware)

    def run(self, folder: Path, on_epoch: OnEpoch, on_progress: OnProgress | None = None) -> list[Epoch]:
        """Train, leave the weights of the best epoch in the backbone and return all epochs but the first stage's.

        An autoencoder first learns to rebuild views, in the folder `reconstruction`. A stopped run continues after its
        last epoch. Raises Fatal for a plan without a stream or a loss that is not a number, Rejected
        (`other_training_run`) if the folder holds another run, and KeyboardInterrupt on Ctrl-C.
        """
        plan = self._streamed()
        first, second = self._minutes(plan)
        stem = self.backbone.stem
        if isinstance(stem, AutoencoderStem) and plan.reconstruction_epochs:
            self._fit(self._reconstruction(stem, plan, first, folder), on_epoch, on_progress)
        budget = TimeBudget(second)
        loss = HierarchicalLoss(self.stream.validation.labels.numpy().astype(np.uint8), 0, self.plan.rules)
        steps = self.plan.epochs * plan.steps
        module = MultiviewModule(self.backbone, self.plan, loss, steps=steps, seed=self.seed, budget=budget)
        return self._fit(_Stage(folder, self.backbone, module, self.plan, budget), on_epoch, on_progress)

    def _reconstruction(self, stem: AutoencoderStem, plan: StreamPlan, minutes: float | None, folder: Path) -> _Stage:
        epochs = plan.reconstruction_epochs
        alone = replace(self.plan, epochs=epochs, patience=epochs)
        budget = TimeBudget(minutes)
        module = ReconstructionModule(stem.front_end, alone, steps=epochs * plan.steps, seed=self.seed, budget=budget)
        return _Stage(folder / RECONSTRUCTION, stem.front_end, module, alone, budget)

    def _streamed(self) -> StreamPlan:
        if self.plan.stream is None:
            msg = "this plan has no stream: it trains on a stored training set"
            raise Fatal(msg)
        return self.plan.stream

    def _minutes(self, plan: StreamPlan) -> tuple[float | None, float | None]:
        if self.minutes is None:
            return None, None
        if not plan.reconstruction_epochs:
            return None, self.minutes
        return _RECONSTRUCTION_SHARE * self.minutes, (1 - _RECONSTRUCTION_SHARE) * self.minutes

    def _fit(self, stage: _Stage, on_epoch: OnEpoch, on_progress: OnProgress | None) -> list[Epoch]:
        plan, steps = stage.plan, self._streamed().steps
        run = {"plan": asdict(plan), "seed": self.seed, "specimens": self._digest(), "minutes": self.minutes}
        epochs = read_history(stage.folder, run)
        stage.budget.read(path_of(stage.folder, LAST))
        if not is_over(epochs, plan) and stage.budget.share() < 1:
            stage.trained.train()
            batches = DrawnBatches(self.stream.draw, self.stream.first_seed, plan.batch)
            data = StreamData(
                batches,
                self.stream.validation,
                epochs.__len__,
                batch=plan.batch,
                steps=steps,
                workers=self.hardware.workers,
            )
            history = EpochHistory(run, epochs, on_epoch)
            with quiet_lightning():
                trainer = make_trainer(
                    stage.folder,
                    plan,
                    history,
                    self.hardware,
                    steps=steps,
                    on_progress=on_progress,
                    callbacks=[stage.budget],
                )
                fit_or_resume(trainer, stage.module, data, stage.folder)
        stage.trained.load_state_dict(read_weights(stage.folder, BEST))
        return read_history(stage.folder, run)

    def _digest(self) -> str:
        """Identity of the specimens: two streams with the same digest train alike."""
        digest = hashlib.sha256(f"{self.stream.name}:{self.stream.first_seed}".encode())
        for array in self.stream.validation:
            digest.update(array.contiguous().numpy().tobytes())
        return digest.hexdigest()
