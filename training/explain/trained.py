"""A trained backbone with the test specimens that its predictions are of."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from training.datasets.store import Images, Subset
from training.evaluation.predictions import Predictions


@dataclass(frozen=True)
class TrainedBackbone:
    """One backbone; row n of `test` and of `predictions` is the same specimen."""

    name: str
    backbone: nn.Module
    test: Subset
    predictions: Predictions

    @property
    def bones(self) -> Images | None:
        """Bone truth uint8 [n, 2, channels, 56, 56] of the test specimens; None for real mice."""
        return None if self.test.bones is None else self.test.bones[self.test.rows]
