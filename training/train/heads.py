"""Features that the body of a trained network computes, and heads retrained on them.

The body learns from every cell of the simulator's bone truth, at a rate that the heads, with a few thousand labels, do
not tolerate for long. Its features are computed once. The heads then train in seconds, and several seeds of them cost
little more than one.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.common.atomic import atomic
from training.datasets.store import Subset
from training.metrics.ranking import LEVELS
from training.models.output import HEADS, Output, unit_range
from training.models.spec import RULES, TrainingRules
from training.train.batches import steps_per_epoch
from training.train.module import HierarchicalLoss

_FEATURE_BATCH: Final = 32
_BATCH: Final = 128
_EPOCHS: Final = 60
_PATIENCE: Final = 8
_LEARNING_RATE: Final = 1e-3
_WEIGHT_DECAY: Final = 0.3


@dataclass(frozen=True)
class Features:
    """Input of a backbone's heads, float32 [n, features], with the labels uint8 [n, 14]."""

    values: NDArray[np.float32]
    labels: NDArray[np.uint8]


def features_of(backbone: nn.Module, subset: Subset) -> Features:
    """Compute the features of a subset's specimens: the input of the standardisation before the heads."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        kept.append(inputs[0].detach().float())

    backbone.eval()
    handle = backbone.get_submodule("standardise").register_forward_pre_hook(keep)
    try:
        with torch.inference_mode():
            for images in subset.batches(_FEATURE_BATCH):
                backbone(unit_range(torch.from_numpy(images)))
    finally:
        handle.remove()
    return Features(torch.cat(kept).numpy(), subset.labels)


def stored_features(path: Path, backbone: nn.Module, subset: Subset) -> Features:
    """Return the same as `features_of`, read from the file at `path` if it exists, else computed and written there."""
    if not path.exists():
        with atomic(path) as part, part.open("wb") as file:
            np.save(file, features_of(backbone, subset).values)
    return Features(np.load(path), subset.labels)


def logits_of(backbone: Any, features: Features) -> Tensor:
    """Return the uncalibrated logits, float32 [n, 14], of features."""
    backbone.eval()
    with torch.inference_mode():
        logits: Tensor = backbone.classify(torch.from_numpy(features.values))
    return logits.clone()


def fit_heads(
    backbone: Any, fresh: nn.Module, train: Features, validation: Features, *, seed: int, rules: TrainingRules = RULES
) -> int:
    """Replace the heads of `backbone` with those of `fresh`, train them and keep the best epoch; returns the epochs.

    `fresh` is a backbone of the same kind and size whose heads have their initial weights. Training stops after
    `_PATIENCE` epochs without a smaller validation loss.
    """
    for name in HEADS:
        if hasattr(fresh, name):
            setattr(backbone, name, getattr(fresh, name))
    stages = [LEVELS] if rules.together else [(level,) for level in LEVELS]
    return sum(_fit_levels(backbone, levels, train, validation, seed=seed, rules=rules) for levels in stages)


def _fit_levels(
    backbone: Any, levels: tuple[int, ...], train: Features, validation: Features, *, seed: int, rules: TrainingRules
) -> int:
    backbone.requires_grad_(False)
    heads = [parameter for name in HEADS for parameter in _parameters(backbone, name, levels)]
    optimiser = torch.optim.AdamW(heads, lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    loss = HierarchicalLoss(train.labels, 0, rules, levels)
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    best, kept, waited, epoch = float("inf"), {}, 0, 0
    while waited < _PATIENCE and epoch < _EPOCHS:
        epoch += 1
        _train_epoch(backbone, optimiser, loss, train, random)
        value = _validation_loss(backbone, loss, validation)
        waited += 1
        if value < best:
            best, waited = value, 0
            kept = copy.deepcopy(backbone.state_dict())
    backbone.load_state_dict(kept)
    backbone.eval()
    return epoch


def _parameters(backbone: nn.Module, head: str, levels: tuple[int, ...]) -> list[nn.Parameter]:
    child = getattr(backbone, head, None)
    named = [] if child is None else child.named_parameters(head)
    parameters = [parameter for name, parameter in named if levels == LEVELS or _level_of(name) in levels]
    for parameter in parameters:
        parameter.requires_grad_(True)
    return parameters


def _level_of(name: str) -> int:
    """Return the level of a head's parameter; everything before level 1's output belongs to level 1."""
    return next((level for level in LEVELS if f"level{level}" in name), 1)


def _train_epoch(
    backbone: Any,
    optimiser: torch.optim.Optimizer,
    loss: HierarchicalLoss,
    train: Features,
    random: np.random.Generator,
) -> None:
    backbone.eval()
    # Frozen levels must keep the input that they were trained on.
    backbone.standardise.train(bool(loss.counted[0]))
    for name in HEADS:
        if getattr(backbone, name, None) is not None:
            getattr(backbone, name).train()
    order = random.permutation(len(train.labels))
    # The sizes differ by at most one: batch normalisation rejects a last batch of a single specimen.
    for rows in np.array_split(order, steps_per_epoch(len(order), _BATCH)):
        optimiser.zero_grad()
        _batch_loss(backbone, loss, train, rows).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _validation_loss(backbone: nn.Module, loss: nn.Module, validation: Features) -> float:
    backbone.eval()
    with torch.inference_mode():
        return float(_batch_loss(backbone, loss, validation, np.arange(len(validation.labels))))


def _batch_loss(backbone: Any, loss: nn.Module, features: Features, rows: NDArray[np.int64]) -> Tensor:
    labels = torch.from_numpy(features.labels[rows]).float()
    output = Output(backbone.classify(torch.from_numpy(features.values[rows])))
    value: Tensor = loss(output, labels, labels, None)
    return value
