"""Trains a backbone on from the version that serves; its weights are kept in 32 bits, in a format without a program."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import nn

from services.common.atomic import atomic
from services.common.errors import Fatal, Rejected
from training.datasets.store import Subset
from training.models.build import build_backbone
from training.refresh.start import StartingPoint
from training.train.checkpoint import Epoch, features_of
from training.train.hardware import Hardware
from training.train.heads import fit_heads
from training.train.loop import BackboneTraining
from training.train.plan import Configuration


@dataclass(frozen=True)
class TrainingSchedule:
    """What both backbones are trained on and by, in which folder; `console` hears of every epoch."""

    train: Subset
    validation: Subset
    configuration: Configuration
    folder: Path
    hardware: Hardware
    console: Console


def train_on(start: StartingPoint, name: str, schooling: TrainingSchedule) -> nn.Module:
    """Train a backbone on from its serving version, or go on where the folder was left; its heads then by themselves.

    The heads go on too: a refresh may bring few specimens, and heads from nothing would forget what the others taught.
    Raises Rejected: the reasons of `training.train.checks`, `other_training_run`, `training_failed`.
    """
    parts = schooling.train, schooling.validation
    plan, seed = schooling.configuration.plan(name), schooling.configuration.seed
    backbone = start.backbone(name)
    torch.manual_seed(seed)
    fit = BackboneTraining(backbone, plan, *parts, seed=seed, hardware=schooling.hardware)
    try:
        fit.run(
            schooling.folder / name, partial(_tell, schooling.console, f"{name}, of {plan.epochs}"), schooling.console
        )
    except Fatal as error:  # a loss that is not a number is this candidate's end, not the program's
        raise Rejected("training_failed", f"{name}: {error}") from error
    train, validation = (features_of(backbone, part) for part in parts)
    fit_heads(backbone, copy.deepcopy(backbone), train, validation, seed=seed)
    return backbone


def _tell(console: Console, name: str, number: int, epoch: Epoch) -> None:
    auroc = " ".join(f"{value:.3f}" for value in epoch.auroc)
    losses = f"training loss {epoch.train_loss:.4f}, validation loss {epoch.validation_loss:.4f}"
    console.print(f"{name} epochs {number}: {losses}, AUROC {auroc}, {epoch.seconds:.0f} s", soft_wrap=True)


def write_weights(path: Path, backbone: nn.Module) -> None:
    """Write all weights, whole or not at all."""
    with atomic(path) as part:
        save_file({name: value.detach().cpu().contiguous() for name, value in backbone.state_dict().items()}, part)


def read_weights(path: Path, name: str, size: str) -> nn.Module:
    """Return the backbone with the weights of `write_weights`."""
    backbone = build_backbone(name, size)
    backbone.load_state_dict(load_file(path))
    return backbone
