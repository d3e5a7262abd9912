"""What Lightning trains: a backbone with its loss, its optimiser and the figures of its validation.

Which parameters learn how fast, and which are held small.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics.classification import MultilabelAUROC

from services.common.errors import Fatal
from services.common.labels import LABEL_ORDER, LEVEL2
from training.datasets.missing import MISSING
from training.models.serving import unit_range
from training.train.batches import Batch
from training.train.loss import HierarchicalLoss
from training.train.plan import BackbonePlan

FRONT_END: Final = "front_end"
HEADS: Final = ("heads", "shortcut", "level1", "level2", "level3", "level2_output", "level3_output")
"""Parts of the names of a backbone's parameters: of front ends wherever they lie, of the heads as its children."""


def parameter_groups(backbone: nn.Module, plan: BackbonePlan) -> list[dict[str, Any]]:
    """Return the groups for the optimiser: body, front end, heads; frozen parameters and empty groups are left out."""
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


WARM_UP: Final = 0.1
"""Share of all steps."""
LEVELS: Final = {
    "level1": slice(0, 1),
    "level2": slice(1, 1 + len(LEVEL2)),
    "level3": slice(1 + len(LEVEL2), len(LABEL_ORDER)),
}
_IGNORED: Final = -1


class BackboneModule(pl.LightningModule):
    """Trains `backbone` by a plan of `steps` in all.

    Logged: `train_loss`, `validation_loss`, `validation_auroc_level{1,2,3}` (means over the labels; levels 2 and 3
    among abnormal specimens, as in the paper) and `learning_rate`. Raises Fatal for a plan that teaches level after
    level: the body learns all levels at once.
    """

    def __init__(
        self, backbone: nn.Module, plan: BackbonePlan, train_labels: NDArray[np.uint8], *, steps: int, seed: int
    ) -> None:
        super().__init__()
        if not plan.rules.together:
            msg = "a whole backbone learns all levels at once: give Rules(together=False) to fit_heads alone"
            raise Fatal(msg)
        self.backbone = backbone
        self._plan = plan
        self._loss = HierarchicalLoss(train_labels, plan.reconstruction_weight, plan.rules)
        self._auroc = MultilabelAUROC(len(LABEL_ORDER), average=None, ignore_index=_IGNORED)
        self._steps = steps
        self._seed = seed

    def on_train_epoch_start(self) -> None:
        """Seed what dropout draws from, by the epoch alone: a resumed run equals one without a stop."""
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
        truth = batch.labels.int()
        truth[truth[:, 0] != 1, 1:] = _IGNORED
        truth[truth == MISSING] = _IGNORED
        self._auroc.update(torch.sigmoid(logits.float()), truth)

    def on_validation_epoch_end(self) -> None:
        """Log the mean AUROC of each level."""
        each: Tensor = self._auroc.compute()
        self.log_dict({f"validation_auroc_{level}": each[labels].mean() for level, labels in LEVELS.items()})
        self._auroc.reset()

    def configure_optimizers(self) -> Any:
        """AdamW; a warm-up, then a cosine decay to zero over all steps of the plan."""
        groups = parameter_groups(self.backbone, self._plan)
        optimiser = torch.optim.AdamW(groups, lr=self._plan.learning_rate, weight_decay=self._plan.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._rate)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _run(self, batch: Batch) -> tuple[Tensor, Tensor]:
        image = unit_range(batch.images)
        output = self.backbone(image)
        with torch.autocast(self.device.type, enabled=False):
            loss: Tensor = self._loss(output, batch.labels, image, batch.bones)
        return loss, output.logits

    def _rate(self, step: int) -> float:
        progress = step / self._steps
        return min(1.0, progress / WARM_UP + 1e-3) * (0.5 + 0.5 * math.cos(math.pi * progress))
