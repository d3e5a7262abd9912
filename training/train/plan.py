"""How a backbone is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from services.common.preprocessing import TENSOR_SIDE, VIEW_SIDE
from training.datasets.inputs import Input
from training.train.rules import RULES, TrainingRules

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
"""Lightning's names: all in 32 bits, or layers in 16 bits with weights kept in 32."""


@dataclass(frozen=True)
class BackbonePlan:
    """Schedule of one backbone.

    AdamW, one warm-up and a cosine decay of `learning_rate`; `epochs` at most, ended early after `patience` epochs
    without a smaller validation loss. `weight_decay` is the dense layers' L2 regularisation of the paper, for all
    weights. `reconstruction_weight` multiplies the autoencoder's mean squared error. `front_end_rate` multiplies the
    learning rate of a front end that is trained, `head_weight_decay` is the heads' own. `precision` None is the
    hardware's: `training.train.hardware`. `rules` say what levels 2 and 3 learn from: `training.train.rules`.
    """

    epochs: int
    patience: int
    batch: int
    learning_rate: float
    weight_decay: float
    reconstruction_weight: float = 0.0
    front_end_rate: float = 1.0
    head_weight_decay: float | None = None
    precision: Precision | None = None
    rules: TrainingRules = RULES


@dataclass(frozen=True)
class Configuration:
    """Everything that `xray train models --config NAME` needs; equal configurations give equal models.

    Of the `specimens` the last `balanced` are of the balanced population (`training.datasets.recipe.Recipe`). `side` is
    that of the tensors that the models take. `training_set` names the configuration whose training set is used, `start`
    the one whose trained models are gone on with; empty for a set of its own, and to start anew.
    """

    name: str
    size: str
    specimens: int
    balanced: int
    first_seed: int
    seed: int
    convnext: BackbonePlan
    cae: BackbonePlan
    input: Input = "MV"
    side: int = TENSOR_SIDE
    training_set: str = ""
    start: str = ""

    @property
    def served(self) -> bool:
        """Whether its models are to serve: those of another's training set are made to be compared with that one's."""
        return not self.training_set

    def data_folder(self, runs: Path) -> Path:
        """The run's folder, among all runs, in which its training set lies."""
        return runs / (self.training_set or self.name)

    def plan(self, backbone: str) -> BackbonePlan:
        """Return the schedule of backbone `convnext` or `cae`."""
        return self.convnext if backbone == "convnext" else self.cae


FIRST_SEED: Final = 2_000_000_000
"""Training specimens have seeds from here on; whoever shows unseen specimens takes smaller ones."""

_SMALL: Final = Configuration(
    name="small",
    size="small",
    specimens=8000,
    balanced=3000,
    first_seed=FIRST_SEED,
    seed=1,
    convnext=BackbonePlan(
        epochs=6,
        patience=4,
        batch=16,
        learning_rate=1e-3,
        weight_decay=0.05,
        front_end_rate=0.5,
        head_weight_decay=0.3,
    ),
    cae=BackbonePlan(
        epochs=10,
        patience=4,
        batch=16,
        learning_rate=1e-3,
        weight_decay=0.05,
        reconstruction_weight=10,
        head_weight_decay=0.3,
    ),
)
_FULL: Final = Configuration(
    name="full",
    size="full",
    specimens=50_000,
    balanced=20_000,
    first_seed=FIRST_SEED,
    seed=1,
    convnext=BackbonePlan(epochs=100, patience=3, batch=32, learning_rate=1e-4, weight_decay=0.05),
    cae=BackbonePlan(epochs=100, patience=3, batch=32, learning_rate=1e-3, weight_decay=0.01, reconstruction_weight=10),
)
_SMALL_448: Final = replace(
    _SMALL,
    name="small-448",
    side=VIEW_SIDE,
    training_set="small",
    start="small",
    convnext=replace(_SMALL.convnext, epochs=2, learning_rate=3e-4),
    cae=replace(_SMALL.cae, epochs=2, learning_rate=3e-4),
)
"""The same network on tensors of twice the side, gone on with from `small`."""

_SMALL_TENSOR: Final = replace(_SMALL, name="small-tensor", size="small-tensor", training_set="small")
"""The ConvNeXt of `small` on the fused tensor itself, from nothing."""

CONFIGURATIONS: Final = {one.name: one for one in (_SMALL, _SMALL_448, _SMALL_TENSOR, _FULL)}

_REFRESH_SMALL: Final = replace(
    _SMALL,
    name="refresh-small",
    convnext=replace(_SMALL.convnext, epochs=3, patience=2, learning_rate=2e-4),
    cae=replace(_SMALL.cae, epochs=3, patience=2, learning_rate=2e-4),
)
_REFRESH_FULL: Final = replace(
    _FULL,
    name="refresh-full",
    convnext=replace(_FULL.convnext, epochs=10, learning_rate=2e-5),
    cae=replace(_FULL.cae, epochs=10, learning_rate=2e-4),
)
REFRESHES: Final = {one.size: one for one in (_REFRESH_SMALL, _REFRESH_FULL)}
"""How the refresh trains on from a serving version of each size: few epochs, at a fifth of the first rate.

The specimens are those of a dataset; `specimens`, `balanced` and `first_seed`, which say how to simulate some, are not
read.
"""
