"""Fits the view network; deterministic by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from services.intake.orient.model import CLASSES
from training.view_network.augment import Batch, augmented
from training.view_network.network import ViewNetwork
from training.view_network.samples import Samples

_BATCH: Final = 128
_RATE: Final = 3e-3
_DECAY: Final = 1e-4
_SMOOTHING: Final = 0.02
"""Label smoothing: keeps probabilities honest on pictures unlike the simulated ones."""
_OTHER: Final = CLASSES.index("other")


@dataclass(frozen=True)
class Fit:
    """Length of the training and the seed of weights, batches and augmentation."""

    epochs: int
    seed: int


def fit(samples: Samples, options: Fit, progress: Callable[[str], None]) -> ViewNetwork:
    """Train on all samples and return the network in evaluation mode; `progress` gets a line an epoch."""
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    network = ViewNetwork()
    steps = options.epochs * (len(samples.view) // _BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=_RATE, total_steps=steps)
    for epoch in range(options.epochs):
        network.train()
        losses = []
        shuffled = torch.randperm(len(samples.view), generator=generator)
        for start in range(0, len(shuffled) - _BATCH + 1, _BATCH):
            batch = augmented(to_batch(samples, shuffled[start : start + _BATCH].numpy()), generator)
            loss = _loss(network, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        progress(f"epoch {epoch + 1}/{options.epochs}: loss {np.mean(losses):.4f}")
    return network.eval()


def to_batch(samples: Samples, rows: NDArray[np.int64]) -> Batch:
    """Chosen samples as tensors; pictures float32 [n, 1, 96, 96] in 0..1."""
    pictures = torch.from_numpy(samples.pictures[rows])[:, None].float() / 255
    labels = (torch.from_numpy(part[rows]) for part in (samples.view, samples.up, samples.mirrored))
    return Batch(pictures, *labels)


def _loss(network: ViewNetwork, batch: Batch) -> Tensor:
    view, up, mirrored = network(batch.pictures * 255)
    whole = batch.view != _OTHER
    loss = functional.cross_entropy(view, batch.view, label_smoothing=_SMOOTHING)
    for logits, labels in ((up, batch.up), (mirrored, batch.mirrored)):
        soft = labels[whole] * (1 - 2 * _SMOOTHING) + _SMOOTHING
        loss = loss + functional.binary_cross_entropy_with_logits(logits[whole, 0], soft)
    return loss
