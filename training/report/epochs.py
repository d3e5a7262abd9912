"""The epochs of a training run, as its checkpoint keeps them."""

from __future__ import annotations

from pathlib import Path

import torch

from training.train.checkpoint import LAST, Epoch, path_of


def recorded_epochs(folder: Path) -> tuple[Epoch, ...]:
    """Epochs of the training run of one backbone, first to last; empty if the folder has no checkpoint."""
    path = path_of(folder, LAST)
    if not path.exists():
        return ()
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return tuple(Epoch(**epoch) for epoch in content["epochs"])


def best_epoch(epochs: tuple[Epoch, ...]) -> int:
    """Number, from 1, of the epoch with the smallest validation loss: its weights are the model's."""
    losses = [epoch.validation_loss for epoch in epochs]
    return 1 + losses.index(min(losses))
