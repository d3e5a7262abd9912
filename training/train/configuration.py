"""Configurations of training runs and of refreshes. Imports no torch, so that commands can list them quickly.

The training plans that belong to a configuration are those of the backbones (`training.models.spec`), by its name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from services.common.environment import work_folder
from services.common.preprocessing import TENSOR_SIDE, VIEW_SIDE

if TYPE_CHECKING:
    from training.datasets.arrays import Input
    from training.population import Population

RUNS: Final = work_folder() / "training" / "runs"
"""Default folder of all runs and training sets."""

Accelerator = Literal["auto", "cpu", "gpu"]
"""What trains; `auto` is a GPU if there is one."""


@dataclass(frozen=True)
class Configuration:
    """Everything that `xray train models --config NAME` needs; equal configurations give equal models.

    Of the `specimens` the last `balanced` are from the balanced population (`training.datasets.recipe.Recipe`). `side`
    is the side of the tensors that the models read, in pixels. `training_set` names the configuration whose training
    set is used, and `start` the one whose trained models are trained further; empty means an own set, or random
    initial weights. `population` is that of the simulator. With `streamed`, the models learn from specimens that
    are drawn meanwhile, with seeds from `STREAM_SEED` on; the training part of the stored ones then only describes what
    is familiar.
    """

    name: str
    size: str
    specimens: int
    balanced: int
    first_seed: int
    seed: int
    input: Input = "MV"
    side: int = TENSOR_SIDE
    training_set: str = ""
    start: str = ""
    population: Population = "plain"
    streamed: bool = False

    @property
    def serves(self) -> bool:
        """Whether its models are meant to serve; models on another's training set exist only for comparison."""
        return not self.training_set

    def data_folder(self, runs: Path) -> Path:
        """Return the folder of the run whose training set is used, below the folder of all runs."""
        return runs / (self.training_set or self.name)


FIRST_SEED: Final = 2_000_000_000
"""Training specimens have seeds from here on; code that shows unseen specimens uses smaller ones."""

STREAM_SEED: Final = 4_000_000_000
"""Specimens of a stream have seeds from here on; those that validate it come before them."""

_SMALL: Final = Configuration(name="small", size="small", specimens=8000, balanced=3000, first_seed=FIRST_SEED, seed=1)
_FULL: Final = Configuration(name="full", size="full", specimens=50_000, balanced=20_000, first_seed=FIRST_SEED, seed=1)
_SMALL_448: Final = replace(_SMALL, name="small-448", side=VIEW_SIDE, training_set="small", start="small")
"""The networks of `small`, trained further on tensors of twice the side."""

_SMALL_TENSOR: Final = replace(_SMALL, name="small-tensor", size="small-tensor", training_set="small")
"""The ConvNeXt of `small` directly on the fused tensor, from random weights."""

_WIDE: Final = Configuration(
    name="wide",
    size="wide",
    specimens=3000,
    balanced=800,
    first_seed=FIRST_SEED + 100_000_000,
    seed=1,
    population="wide",
    streamed=True,
)
"""Networks that read each view by its own pass, trained on a stream of a wide population of normal mice."""

_WIDE_448: Final = replace(_WIDE, name="wide-448", side=VIEW_SIDE, training_set="wide", start="wide")
"""The networks of `wide`, trained further on tensors of twice the side."""

CONFIGURATIONS: Final = {one.name: one for one in (_SMALL, _SMALL_448, _SMALL_TENSOR, _FULL, _WIDE, _WIDE_448)}

REFRESHES: Final = {
    one.size: one
    for one in (
        replace(_SMALL, name="refresh-small"),
        replace(_FULL, name="refresh-full"),
        replace(_WIDE, name="refresh-wide", streamed=False),
    )
}
"""How a refresh trains a serving version of each size further: few epochs at a fifth of the first learning rate.

Its specimens come from a dataset; `specimens`, `balanced` and `first_seed` describe a simulation and are not used.
"""
