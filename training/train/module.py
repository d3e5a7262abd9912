"""The Lightning module: a backbone with its loss, its optimiser and its validation figures."""

import math
from typing import Any, Final

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.common.errors import Fatal
from training.metrics.figures import level_means
from training.metrics.ranking import LEVELS
from training.models.output import HEADS, unit_range
from training.models.spec import BackbonePlan
from training.train.batches import Batch
from training.train.loss import HierarchicalLoss

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
