"""Trains a backbone further from the version that serves; its weights are stored in 32 bits, as plain numbers."""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from services.common.atomic import atomic
from services.common.errors import Fatal, Rejected
from training.datasets.store import Subset
from training.models.registry import build_backbone
from training.models.spec import BackbonePlan
from training.refresh.start import StartingPoint
from training.train.checkpoint import Epoch
from training.train.hardware import Hardware
from training.train.heads import features_of, fit_heads
from training.train.loop import BackboneTraining
from training.train.progress import ProgressReporter


@dataclass(frozen=True)
class TrainingInputs:
    """What a backbone is trained with: specimens, seed, the folder of the run and the hardware."""

    train: Subset
    validation: Subset
    seed: int
    folder: Path
    hardware: Hardware
    report: ProgressReporter


def train_further(start: StartingPoint, name: str, plan: BackbonePlan, inputs: TrainingInputs) -> nn.Module:
    """Train a backbone further from its serving version, or resume that in the folder, then its heads alone.

    The heads keep their weights, too: a refresh may have few specimens, and new heads would lose what was learnt from
    earlier specimens. Raises Rejected: the reasons of `training.train.checks`, `other_training_run`, `training_failed`.
    """
    backbone = start.backbone(name)
    torch.manual_seed(inputs.seed)
    training = BackboneTraining(
        backbone, plan, inputs.train, inputs.validation, seed=inputs.seed, hardware=inputs.hardware
    )

    def on_epoch(number: int, epoch: Epoch) -> None:
        inputs.report.message(f"{name} epoch {number} of {plan.epochs}: {epoch}")

    try:
        training.run(inputs.folder / name, on_epoch, inputs.report.progress)
    except Fatal as error:  # a loss that is not a number ends this candidate, not the program
        raise Rejected("training_failed", f"{name}: {error}") from error
    train, validation = (features_of(backbone, part) for part in (inputs.train, inputs.validation))
    fit_heads(backbone, copy.deepcopy(backbone), train, validation, seed=inputs.seed)
    return backbone


def write_weights(path: Path, backbone: nn.Module) -> None:
    """Write all weights, completely or not at all."""
    with atomic(path) as part:
        save_file({name: value.detach().cpu().contiguous() for name, value in backbone.state_dict().items()}, part)


def read_weights(path: Path, name: str, size: str) -> nn.Module:
    """Return the backbone with the weights of `write_weights`."""
    backbone = build_backbone(name, size)
    backbone.load_state_dict(load_file(path))
    return backbone
