"""The starting point of a refresh: the versions that make the calls, checked against the record that pins them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.common.model_card import ModelCard
from services.common.settings import Settings
from services.registry.inspect import inspect
from services.registry.register import current
from services.registry.repository import ModelRepository
from training.export.weights import read_backbone, read_size
from training.models.registry import BACKBONES


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
