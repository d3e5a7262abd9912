"""The training loop: deterministic by seed, a checkpoint an epoch, early stopping."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.data.store import Images, Subset
from training.fit.augment import augment
from training.fit.checkpoint import Checkpoint, Epoch
from training.fit.loss import HierarchicalLoss
from training.fit.plan import Plan
from training.models.serving import unit_range

_WARM_UP = 0.1
"""Share of all steps."""

OnEpoch = Callable[[int, Epoch], None]
"""Called with an epoch's number, from 1, and its figures."""


class Fit:
    """Training of one backbone in a folder; `run` goes on where an earlier run of the same folder was stopped."""

    def __init__(self, backbone: nn.Module, plan: Plan, train: Subset, validation: Subset, seed: int) -> None:
        self._backbone = backbone.to(memory_format=torch.channels_last)
        self._plan = plan
        self._train = train
        self._validation = validation
        self._seed = seed
        self._loss = HierarchicalLoss(train.labels, plan.reconstruction_weight)
        learnt = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
        self._optimiser = torch.optim.AdamW(learnt, lr=plan.learning_rate, weight_decay=plan.weight_decay)

    def run(self, checkpoint_path: Path, on_epoch: OnEpoch) -> list[Epoch]:
        """Train, leave the weights of the best epoch in the backbone and return all epochs."""
        checkpoint = Checkpoint.load(checkpoint_path) or Checkpoint({}, {}, {})
        if checkpoint.epochs:
            self._backbone.load_state_dict(checkpoint.model)
            self._optimiser.load_state_dict(checkpoint.optimiser)
        while not self._is_over(checkpoint):
            checkpoint.epochs.append(self._epoch(len(checkpoint.epochs)))
            checkpoint.model = self._backbone.state_dict()
            checkpoint.optimiser = self._optimiser.state_dict()
            if checkpoint.best_epoch == len(checkpoint.epochs) - 1:
                checkpoint.best = {name: value.clone() for name, value in checkpoint.model.items()}
            checkpoint.save(checkpoint_path)
            on_epoch(len(checkpoint.epochs), checkpoint.epochs[-1])
        self._backbone.load_state_dict(checkpoint.best)
        return checkpoint.epochs

    def _is_over(self, checkpoint: Checkpoint) -> bool:
        done = len(checkpoint.epochs)
        return done >= self._plan.epochs or (done > 0 and done - 1 - checkpoint.best_epoch >= self._plan.patience)

    def _epoch(self, number: int) -> Epoch:
        started = time.monotonic()
        random = np.random.default_rng((self._seed, number))
        # Dropout draws from torch's generator; seeding it here makes a resumed run equal to one without a stop.
        torch.manual_seed(self._seed * 10_000 + number)
        self._backbone.train()
        total, steps = 0.0, math.ceil(len(self._train) / self._plan.batch)
        for step, rows in enumerate(np.array_split(random.permutation(len(self._train)), steps)):
            self._set_learning_rate((number * steps + step) / (self._plan.epochs * steps))
            images = augment(self._train.images[self._train.rows[rows]], random)
            loss = self._batch_loss(images, self._train.labels[rows])
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self._backbone.parameters(), max_norm=5.0)
            self._optimiser.step()
            total += loss.item() * len(rows)
        return Epoch(total / len(self._train), self._validation_loss(), time.monotonic() - started)

    def _validation_loss(self) -> float:
        self._backbone.eval()
        total = 0.0
        with torch.inference_mode():
            for images, labels in _labelled(self._validation, self._plan.batch):
                total += self._batch_loss(images, labels).item() * len(images)
        return total / len(self._validation)

    def _batch_loss(self, images: Images, labels: Images) -> Tensor:
        image = unit_range(torch.from_numpy(images))
        with torch.autocast("cpu", torch.bfloat16, enabled=_bfloat16_is_fast()):
            output = self._backbone(image)
        loss: Tensor = self._loss(output, torch.from_numpy(labels).float(), image)
        return loss

    def _set_learning_rate(self, progress: float) -> None:
        warm_up = min(1.0, progress / _WARM_UP + 1e-3)
        rate = self._plan.learning_rate * warm_up * (0.5 + 0.5 * math.cos(math.pi * progress))
        for group in self._optimiser.param_groups:
            group["lr"] = rate


def weights_digest(backbone: nn.Module) -> str:
    """SHA-256 of all weights, in order: equal for equal training runs."""
    digest = hashlib.sha256()
    for value in backbone.state_dict().values():
        digest.update(value.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def _labelled(subset: Subset, size: int) -> Iterator[tuple[Images, Images]]:
    for number, images in enumerate(subset.batches(size)):
        yield images, subset.labels[number * size : number * size + len(images)]


def _bfloat16_is_fast() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported())
