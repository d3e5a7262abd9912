"""Heads trained anew on what a trained network's body makes of the specimens.

The body learns from every cell of the simulator's truth, at a rate that a heads' few thousand labels do not bear for
long. Its features are computed once; the heads then learn in seconds, and several seeds of them cost no more than one.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.models.output import Output
from training.train.batches import steps_of
from training.train.loss import HierarchicalLoss
from training.train.module import HEADS
from training.train.rules import LEVELS, RULES, TrainingRules

_BATCH: Final = 128
_EPOCHS: Final = 60
_PATIENCE: Final = 8
_LEARNING_RATE: Final = 1e-3
_WEIGHT_DECAY: Final = 0.3


@dataclass(frozen=True)
class Features:
    """What the heads of a backbone read, float32 [n, features], with labels uint8 [n, 14]."""

    values: NDArray[np.float32]
    labels: NDArray[np.uint8]


def fit_heads(
    backbone: Any, fresh: nn.Module, train: Features, validation: Features, *, seed: int, rules: TrainingRules = RULES
) -> int:
    """Replace the heads of `backbone` by those of `fresh`, train them, keep the best epoch's; returns the epochs.

    `fresh` is a backbone of the same kind and size whose weights are those of its start. Ended early after `_PATIENCE`
    epochs without a smaller validation loss.
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
        _epoch(backbone, optimiser, loss, train, random)
        found = _loss(backbone, loss, validation)
        waited += 1
        if found < best:
            best, waited = found, 0
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
    """Level of a head's parameter; what lies before level 1's output belongs to level 1."""
    return next((level for level in LEVELS if f"level{level}" in name), 1)


def _epoch(
    backbone: Any,
    optimiser: torch.optim.Optimizer,
    loss: HierarchicalLoss,
    train: Features,
    random: np.random.Generator,
) -> None:
    backbone.eval()
    # Frozen levels must go on seeing what they have learnt from.
    backbone.standardise.train(bool(loss.counted[0]))
    for name in HEADS:
        if getattr(backbone, name, None) is not None:
            getattr(backbone, name).train()
    order = random.permutation(len(train.labels))
    # Of equal size but for one: batch normalisation refuses the single specimen that might be left over.
    for rows in np.array_split(order, steps_of(len(order), _BATCH)):
        optimiser.zero_grad()
        _of(backbone, loss, train, rows).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _loss(backbone: nn.Module, loss: nn.Module, validation: Features) -> float:
    backbone.eval()
    with torch.inference_mode():
        return float(_of(backbone, loss, validation, np.arange(len(validation.labels))))


def _of(backbone: Any, loss: nn.Module, features: Features, rows: NDArray[np.int64]) -> Tensor:
    labels = torch.from_numpy(features.labels[rows]).float()
    output = Output(backbone.classify(torch.from_numpy(features.values[rows])))
    value: Tensor = loss(output, labels, labels, None)
    return value
