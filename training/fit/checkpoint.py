"""The state of a training run after each epoch: a stopped run goes on as if it had not been stopped."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass
class Epoch:
    """One epoch's mean training loss and validation loss."""

    train_loss: float
    validation_loss: float
    seconds: float


@dataclass
class Checkpoint:
    """States after the last epoch, and the weights of the best one."""

    model: dict[str, Any]
    optimiser: dict[str, Any]
    best: dict[str, Any]
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """Index of the epoch with the smallest validation loss."""
        return min(range(len(self.epochs)), key=lambda index: self.epochs[index].validation_loss)

    def save(self, path: Path) -> None:
        """Write the file, or leave the old one."""
        temporary = path.with_suffix(".new")
        torch.save({**vars(self), "epochs": [asdict(epoch) for epoch in self.epochs]}, temporary)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Checkpoint | None:
        """Read a checkpoint; None if there is none."""
        if not path.exists():
            return None
        content = torch.load(path, map_location="cpu", weights_only=True)
        return cls(**{**content, "epochs": [Epoch(**epoch) for epoch in content["epochs"]]})
