"""The Lightning modules of a stream: reconstruction alone, and then everything together."""

import math
from typing import Any, Final

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.metrics.figures import level_means
from training.metrics.ranking import LEVELS
from training.models.multiview.backbone import LandmarkTruth, MultiviewBackbone
from training.models.output import unit_range
from training.models.spec import BackbonePlan
from training.train.module import WARM_UP, HierarchicalLoss, parameter_groups
from training.train.stream.budget import TimeBudget
from training.train.stream.figures import ValidationFigures
from training.train.stream.losses import reconstruction_loss, structural_similarity, task_losses, views_of
from training.train.stream.specimens import DrawnBatch

WEIGHTS: Final = {"landmarks": 0.5, "presence": 2.0, "attention": 0.05}
"""Weights of the tasks; labels and bones have those of `HierarchicalLoss`, the reconstruction that of the plan."""


class StreamModule(pl.LightningModule):
    """Base: AdamW with a warm-up and a cosine decay over all steps, or over the time budget if that is over first."""

    def __init__(self, plan: BackbonePlan, steps: int, seed: int, budget: TimeBudget) -> None:
        super().__init__()
        self._plan, self._steps, self._seed, self._budget = plan, steps, seed, budget

    def on_train_epoch_start(self) -> None:
        """Seed dropout and the shaking of windows from the epoch alone: a resumed run equals an uninterrupted one."""
        torch.manual_seed((self._seed * 10_000 + self.current_epoch) * 1_000 + self.global_rank)

    def optimiser(self, groups: Any) -> Any:
        """Return AdamW and its schedule for parameters or groups."""
        optimiser = torch.optim.AdamW(groups, lr=self._plan.learning_rate, weight_decay=self._plan.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._rate_factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate_factor(self, step: int) -> float:
        progress = min(max(step / self._steps, self._budget.share()), 1.0)
        return min(1.0, progress / WARM_UP + 1e-3) * (0.5 + 0.5 * math.cos(math.pi * progress))


class ReconstructionModule(StreamModule):
    """Trains an autoencoder on single views; logs `train_loss`, `validation_loss` and `validation_ssim`."""

    def __init__(
        self, autoencoder: nn.Module, plan: BackbonePlan, *, steps: int, seed: int, budget: TimeBudget
    ) -> None:
        super().__init__(plan, steps, seed, budget)
        self.backbone = autoencoder

    def training_step(self, batch: DrawnBatch, _index: int) -> Tensor:
        """Compute the loss of a batch."""
        views = views_of(batch.images).flatten(0, 1)[:, None]
        loss = reconstruction_loss(self.backbone(views), views)
        self.log("train_loss", loss, on_step=True, on_epoch=True, batch_size=len(batch.images))
        return loss

    def validation_step(self, batch: DrawnBatch, _index: int) -> None:
        """Add a batch to the epoch's validation figures."""
        views = views_of(batch.images).flatten(0, 1)[:, None]
        rebuilt = self.backbone(views).clamp(0, 1)
        size = len(batch.images)
        self.log("validation_loss", reconstruction_loss(rebuilt, views), batch_size=size)
        self.log("validation_ssim", structural_similarity(rebuilt, views).mean(), batch_size=size)
        self.log("validation_mse", functional.mse_loss(rebuilt, views), batch_size=size)

    def configure_optimizers(self) -> Any:
        """Return the optimiser of all weights."""
        return self.optimiser(self.backbone.parameters())


class MultiviewModule(StreamModule):
    """Trains all tasks of a multiview backbone.

    Logs `train_loss` and one `train_<task>` per task; `validation_loss`, `validation_auroc_level{1,2,3}` (levels 2 and
    3 among abnormal specimens) and the figures of `ValidationFigures`.
    """

    def __init__(
        self,
        backbone: MultiviewBackbone,
        plan: BackbonePlan,
        loss: HierarchicalLoss,
        *,
        steps: int,
        seed: int,
        budget: TimeBudget,
    ) -> None:
        super().__init__(plan, steps, seed, budget)
        self.backbone = backbone
        self._labels = loss
        self._figures = ValidationFigures()

    def training_step(self, batch: DrawnBatch, _index: int) -> Tensor:
        """Compute the loss of a batch."""
        size = len(batch.images)
        losses = self._losses(batch, guided=True)[0]
        self.log_dict(
            {f"train_{task}": value for task, value in losses.items()}, on_step=False, on_epoch=True, batch_size=size
        )
        loss = torch.stack(list(losses.values())).sum()
        self.log("train_loss", loss, on_step=True, on_epoch=True, batch_size=size)
        return loss

    def validation_step(self, batch: DrawnBatch, _index: int) -> None:
        """Add a batch to the epoch's validation figures."""
        losses, output = self._losses(batch, guided=False)
        self.log("validation_loss", torch.stack(list(losses.values())).sum(), batch_size=len(batch.images))
        self._figures.add(self.backbone, output, batch)

    def on_validation_epoch_end(self) -> None:
        """Log the figures over all specimens."""
        figures, labels, probabilities = self._figures.finish()
        means = level_means(labels, probabilities, probabilities)
        self.log_dict({f"validation_auroc_level{level}": mean for level, mean in zip(LEVELS, means, strict=True)})
        self.log_dict({f"validation_{name}": value for name, value in figures.items()})

    def configure_optimizers(self) -> Any:
        """Return the optimiser: body, front end and heads have their own rates."""
        return self.optimiser(parameter_groups(self.backbone, self._plan))

    def _losses(self, batch: DrawnBatch, *, guided: bool) -> tuple[dict[str, Tensor], Any]:
        image = unit_range(batch.images)
        truth = LandmarkTruth(batch.points, batch.present) if guided else None
        output = self.backbone(image, truth)
        with torch.autocast(self.device.type, enabled=False):
            tasks = task_losses(output, batch.points, batch.present, batch.bones, views_of(batch.images))
            labels = self._labels(output._replace(reconstruction=None), batch.labels, image, batch.bones)
        weights = {**WEIGHTS, "reconstruction": self._plan.reconstruction_weight}
        return {"labels": labels, **{task: weights[task] * value for task, value in tasks.items()}}, output
