"""The Lightning module: a backbone with its loss, its optimiser and its validation figures.

The loss covers all levels and the other outputs of a backbone. Decision: the paper trains level after level and freezes
the earlier ones. Here one loss trains all levels. Behind frozen level-1 features (32 numbers chosen to separate
abnormal from normal), levels 2 and 3 cannot see how abnormal specimens differ from each other
(`training.experiments.variants` compares the two).
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from services.common.errors import Fatal
from services.common.labels import LEVEL2, LEVEL3
from training.datasets.arrays import MISSING, known
from training.metrics.figures import level_means
from training.metrics.ranking import LEVELS
from training.models.output import HEADS, Output, unit_range
from training.models.spec import RULES, BackbonePlan, Balance, TrainingRules
from training.models.trunk import sample_at
from training.simulation.bone_truth import REGIONS
from training.train.batches import Batch

WEIGHT_LIMITS: Final = (0.2, 8.0)
"""Limits of the weight of a label's positives: beyond them a handful of specimens would dominate the training."""
_NEGATIVE_FOCUS: Final = 4
_MARGIN: Final = 0.05
"""Focusing of negatives in the asymmetric loss, and the probability below which they have no weight (section 3)."""
REGION_WEIGHT: Final = 4.0
ALTERED_WEIGHT: Final = 40.0
"""Weights of the bone truth's regions and of its altered bones, which cover few cells; the labels' loss has 1."""
_ALTERED_CELL: Final = 4.0
"""Weight of a cell with an altered bone, relative to one without."""
_COVERED: Final = 10
"""Of 255: a bone that covers less of a cell than this is not visible in it."""


class HierarchicalLoss(nn.Module):
    """Cross-entropy of all labels, for levels 2 and 3 by `rules`, plus the losses of a backbone's other outputs.

    These are the mean squared error of the reconstruction and the cross-entropy of the positions of bones and altered
    bones. The frequency of each label comes from the training labels, uint8 [n, 14]. Missing labels, and those of
    levels not in `levels`, have no weight.
    """

    positives: Tensor
    counted: Tensor

    def __init__(
        self,
        labels: NDArray[np.uint8],
        reconstruction_weight: float,
        rules: TrainingRules = RULES,
        levels: Sequence[int] = LEVELS,
    ) -> None:
        super().__init__()
        learnt = labels[labels[:, 0] == 1, 1:] if rules.conditional else labels[:, 1:]
        share = (learnt == 1).sum(axis=0) / np.maximum(known(learnt).sum(axis=0), 1)
        self.register_buffer("positives", torch.tensor(share, dtype=torch.float32))
        counted = [1 in levels, *[2 in levels] * len(LEVEL2), *[3 in levels] * len(LEVEL3)]
        self.register_buffer("counted", torch.tensor(counted))
        self.reconstruction_weight = reconstruction_weight
        self.rules = rules

    def forward(self, output: Output, labels: Tensor, image: Tensor, bones: Tensor | None) -> Tensor:
        """Compute the loss of a batch, a scalar.

        Labels are float [n, 14] of 0, 1 and `MISSING`, the image is float [n, 3, side, side] in [0, 1], bones are
        uint8 [n, 2, channels, 56, 56] or None.
        """
        logits, counted = output.logits.float(), (labels != MISSING) & self.counted
        truth = labels * (labels != MISSING)
        level1 = functional.binary_cross_entropy_with_logits(logits[:, :1], truth[:, :1], reduction="none")
        below = label_losses(logits[:, 1:], truth[:, 1:], self.positives, self.rules.balance)
        teaches = truth[:, :1] == 1 if self.rules.conditional else torch.ones_like(truth[:, :1], dtype=torch.bool)
        loss = _mean(level1, counted[:, :1]) + _mean(below, counted[:, 1:] & teaches)
        if output.reconstruction is not None:
            error = functional.mse_loss(output.reconstruction.float(), _rebuilt_part(image, output.reconstruction))
            loss = loss + self.reconstruction_weight * error
        if bones is not None:
            loss = loss + _bone_losses(output, bones)
        return loss


def _rebuilt_part(image: Tensor, rebuilt: Tensor) -> Tensor:
    """The channels of an image that a backbone rebuilds, at the resolution at which it rebuilds them."""
    factor = image.shape[-1] // rebuilt.shape[-1]
    channels = image[:, : rebuilt.shape[1]]
    return functional.avg_pool2d(channels, factor) if factor > 1 else channels


def label_losses(logits: Tensor, labels: Tensor, positives: Tensor, balance: Balance) -> Tensor:
    """Return the loss of each logit [n, labels]; `positives` [labels] are the shares of positives in training."""
    if balance == "asymmetric":
        return _asymmetric(logits, labels)
    if balance == "adjusted":
        logits = logits + torch.logit(positives, eps=1e-3)
    weight = ((1 - positives) / positives.clamp(min=1e-6)).clamp(*WEIGHT_LIMITS) if balance == "weights" else None
    return functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=weight, reduction="none")


def _asymmetric(logits: Tensor, labels: Tensor) -> Tensor:
    probability = torch.sigmoid(logits)
    shifted = (probability - _MARGIN).clamp(min=0)
    negatives = -(shifted**_NEGATIVE_FOCUS) * torch.log1p(-shifted.clamp(max=1 - 1e-6))
    return torch.where(labels > 0, -functional.logsigmoid(logits), negatives)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return (values * counted).sum() / counted.sum().clamp(min=1)


def _bone_losses(output: Output, bones: Tensor) -> Tensor:
    loss = output.logits.new_zeros(())
    if output.bones is not None:
        cells = functional.interpolate(bones.flatten(1, 2).float(), size=output.bones.shape[-2:], mode="area")
        loss = loss + _bone_loss(output.bones.float(), cells)
    if output.trunk is not None:
        cells = sample_at(bones.flatten(0, 1).float(), output.trunk.places.float())
        loss = loss + _bone_loss(output.trunk.bones.float(), cells)
    return loss


def _bone_loss(logits: Tensor, cells: Tensor) -> Tensor:
    truth = (cells > _COVERED).float().reshape(logits.shape)
    regions, altered = len(REGIONS), logits.new_tensor(_ALTERED_CELL)
    region_loss = functional.binary_cross_entropy_with_logits(logits[:, :, :regions], truth[:, :, :regions])
    altered_loss = functional.binary_cross_entropy_with_logits(
        logits[:, :, regions:], truth[:, :, regions:], pos_weight=altered
    )
    return REGION_WEIGHT * region_loss + ALTERED_WEIGHT * altered_loss


FRONT_END: Final = "front_end"
"""Part of the name of every parameter of a front end."""
WARM_UP: Final = 0.1
"""Share of all steps."""


def parameter_groups(backbone: nn.Module, plan: BackbonePlan) -> list[dict[str, Any]]:
    """Return the optimiser's groups: body, front end and heads, without frozen parameters and empty groups."""
    groups: dict[str, list[nn.Parameter]] = {"body": [], FRONT_END: [], "heads": []}
    for name, parameter in backbone.named_parameters():
        child = name.partition(".")[0]
        if parameter.requires_grad:
            part = FRONT_END if FRONT_END in name else "heads" if child in HEADS else "body"
            groups[part].append(parameter)
    settings: dict[str, dict[str, float]] = {
        "body": {},
        FRONT_END: {"lr": plan.learning_rate * plan.front_end_rate},
        "heads": {"weight_decay": plan.weight_decay if plan.head_weight_decay is None else plan.head_weight_decay},
    }
    return [{"name": name, "params": members, **settings[name]} for name, members in groups.items() if members]


class BackboneModule(pl.LightningModule):
    """Trains `backbone` by a plan, for `steps` steps in total.

    It logs `train_loss`, `validation_loss`, `validation_auroc_level{1,2,3}` (means over the labels; levels 2 and 3
    among abnormal specimens, as in the paper) and `learning_rate`. Raises Fatal for a plan that trains level after
    level, because the body learns all levels at once.
    """

    def __init__(
        self, backbone: nn.Module, plan: BackbonePlan, train_labels: NDArray[np.uint8], *, steps: int, seed: int
    ) -> None:
        super().__init__()
        if not plan.rules.together:
            msg = "a whole backbone learns all levels at once: only fit_heads accepts TrainingRules(together=False)"
            raise Fatal(msg)
        self.backbone = backbone
        self._plan = plan
        self._loss = HierarchicalLoss(train_labels, plan.reconstruction_weight, plan.rules)
        self._validated: list[tuple[Tensor, Tensor]] = []
        self._steps = steps
        self._seed = seed

    def on_train_epoch_start(self) -> None:
        """Seed dropout from the epoch alone: a resumed run equals an uninterrupted one."""
        torch.manual_seed((self._seed * 10_000 + self.current_epoch) * 1_000 + self.global_rank)

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Compute the loss of a batch."""
        loss, _ = self._run(batch)
        self.log("train_loss", loss, on_step=True, on_epoch=True, batch_size=len(batch.images), sync_dist=True)
        self.log("learning_rate", self.trainer.optimizers[0].param_groups[0]["lr"], on_step=True)
        return loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Add a batch to the epoch's validation figures."""
        loss, logits = self._run(batch)
        self.log("validation_loss", loss, batch_size=len(batch.images), sync_dist=True)
        self._validated.append((torch.sigmoid(logits.float()).cpu(), batch.labels.to(torch.uint8).cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log the mean AUROC of each level, over the specimens of all processes."""
        own = [torch.cat(each) for each in zip(*self._validated, strict=True)]
        self._validated.clear()
        gathered: list[Any] = [own]
        if self.trainer.world_size > 1:
            gathered = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, own)
        probabilities, labels = (torch.cat(each).numpy() for each in zip(*gathered, strict=True))
        means = level_means(labels, probabilities, probabilities)
        self.log_dict({f"validation_auroc_level{level}": mean for level, mean in zip(LEVELS, means, strict=True)})

    def configure_optimizers(self) -> Any:
        """Return AdamW with a warm-up, then a cosine decay to zero over all steps of the plan."""
        groups = parameter_groups(self.backbone, self._plan)
        optimiser = torch.optim.AdamW(groups, lr=self._plan.learning_rate, weight_decay=self._plan.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._rate_factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _run(self, batch: Batch) -> tuple[Tensor, Tensor]:
        image = unit_range(batch.images)
        output = self.backbone(image)
        with torch.autocast(self.device.type, enabled=False):
            loss: Tensor = self._loss(output, batch.labels, image, batch.bones)
        return loss, output.logits

    def _rate_factor(self, step: int) -> float:
        progress = step / self._steps
        return min(1.0, progress / WARM_UP + 1e-3) * (0.5 + 0.5 * math.cos(math.pi * progress))
