"""A backbone and a plan that train in a second."""

from typing import Final

import torch
from torch import nn

from tests.training.synthetic import tiny_subset
from training.models.autoencoder import AutoencoderDriven, AutoencoderSize
from training.models.spec import BackbonePlan
from training.train.checkpoint import Epoch
from training.train.hardware import Hardware
from training.train.loop import BackboneTraining

PLAN: Final = BackbonePlan(
    epochs=3, patience=3, batch=8, learning_rate=5e-3, weight_decay=0.01, reconstruction_weight=1.0
)
STEPS: Final = 3
"""Per epoch."""
_SIZE: Final = AutoencoderSize(widths=(4, 8), grid=2, dense=16, dropout=0.2, bone_width=4)


def tiny_backbone() -> nn.Module:
    """The same weights each time."""
    torch.manual_seed(0)
    return AutoencoderDriven(_SIZE)


def tiny_fit(backbone: nn.Module, plan: BackbonePlan = PLAN, hardware: Hardware | None = None) -> BackboneTraining:
    """24 specimens to train on, 12 to validate."""
    return BackboneTraining(backbone, plan, tiny_subset(24, seed=1), tiny_subset(12, seed=2), seed=7, hardware=hardware)


def ignore(_number: int, _epoch: Epoch) -> None:
    """Report nothing."""
