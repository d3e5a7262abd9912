"""The starting point of a refresh, and the training that continues from it.

It starts from the versions that make the calls, checked against the record that pins them. A trained backbone's weights
are stored in 32 bits, as plain numbers.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from services.common.atomic import atomic
from services.common.errors import Fatal, Rejected
from services.common.events import ModelActivation
from services.common.model_card import ModelCard
from services.common.settings import Settings
from services.registry.inspect import inspect
from services.registry.register import current
from services.registry.repository import ModelRepository
from training.datasets.store import Subset
from training.export.weights import read_backbone, read_size
from training.models.registry import BACKBONES, build_backbone
from training.models.spec import BackbonePlan
from training.train.checkpoint import Epoch
from training.train.hardware import Hardware
from training.train.heads import features_of, fit_heads
from training.train.loop import BackboneTraining, ProgressReporter


@dataclass(frozen=True)
class StartingPoint:
    """Versions, pins, cards and folders of all backbones by name, and their common size."""

    activation: int
    versions: Mapping[str, int]
    pins: Mapping[str, str]
    cards: Mapping[str, ModelCard]
    folders: Mapping[str, Path]
    size: str

    def backbone(self, name: str) -> nn.Module:
        """Return a network with the version's weights; raises the errors of `read_backbone`."""
        return read_backbone(self.folders[name], name, self.size)


def active_activation(settings: Settings) -> ModelActivation:
    """Return the activation in force; raises Rejected(`nothing_active`)."""
    newest = current(settings)
    if newest is None:
        raise Rejected("nothing_active", "models.active names no model version to start from; run `xray init`")
    return newest


def start_from(
    repository: ModelRepository, activation: int, versions: Mapping[str, int], pins: Mapping[str, str]
) -> StartingPoint:
    """Check the versions' files and return them as a starting point.

    Raises Rejected: the reasons of `services.registry.inspect`, `pin_differs` (the repository does not contain what was
    promoted), `backbone_missing`, `no_weights`, `weights_damaged`, `sizes_differ`.
    """
    cards = {name: _card(repository, name, versions, pins) for name in BACKBONES}
    folders = {name: repository.folder(name, versions[name]) for name in BACKBONES}
    sizes = {name: read_size(folder) for name, folder in folders.items()}
    if len(set(sizes.values())) > 1:
        raise Rejected("sizes_differ", f"the serving versions are of different sizes, {sizes}: promote two of one size")
    return StartingPoint(activation, versions, pins, cards, folders, next(iter(sizes.values())))


def _card(repository: ModelRepository, name: str, versions: Mapping[str, int], pins: Mapping[str, str]) -> ModelCard:
    if name not in versions or name not in pins:
        raise Rejected("backbone_missing", f"the activation in force names and pins no {name}; run `xray init`")
    inspected = inspect(repository, name, versions[name])
    if inspected.pin != pins[name]:
        message = (
            f"{name} version {versions[name]} in {repository.root} does not match the version that models.active pins"
        )
        raise Rejected("pin_differs", message, found=inspected.pin, expected=pins[name])
    return inspected.card


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
