"""Everything the rest of the code knows about one backbone.

How a backbone is trained: its plan, and the rules by which levels 2 and 3 learn. Imports no torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from services.common.errors import Fatal
from training.models.output import Backbone

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
"""Lightning's names: everything in 32 bits, or layers in 16 bits with weights kept in 32."""

Balance = Literal["none", "weights", "asymmetric", "adjusted"]
"""How the loss treats rare labels.

`weights`: positives are weighted by inverse frequency. `asymmetric`: easy negatives are down-weighted (Ridnik et al.,
Asymmetric Loss For Multi-Label Classification, ICCV 2021, arXiv:2009.14119). `adjusted`: each logit is learnt relative
to the label's prior odds (Menon et al., Long-tail learning via logit adjustment, ICLR 2021, arXiv:2007.07314).
"""


@dataclass(frozen=True)
class TrainingRules:
    """How the three levels are trained.

    `conditional`: levels 2 and 3 learn nothing from normal specimens, as in the paper's evaluation. `together`: all
    levels are trained at once. Otherwise they are trained one after the other, each on the frozen result of the
    previous ones (the paper's way); only heads can be trained like that (`training.train.heads`).
    """

    conditional: bool = True
    balance: Balance = "weights"
    together: bool = True


RULES: Final = TrainingRules()
"""The rules of all models that serve."""


@dataclass(frozen=True)
class StreamPlan:
    """Training on specimens that are drawn while it runs (`training.train.stream`).

    An epoch has `steps` batches and ends with a checkpoint. An autoencoder first learns to rebuild views alone for
    `reconstruction_epochs`.
    """

    steps: int
    reconstruction_epochs: int = 0


@dataclass(frozen=True)
class BackbonePlan:
    """Training plan of one backbone: AdamW with one warm-up and a cosine decay of `learning_rate`.

    Training runs for at most `epochs` and stops after `patience` epochs without a smaller validation loss.
    `weight_decay` applies to all weights; it is the paper's L2 regularisation of the dense layers.
    `reconstruction_weight` multiplies the autoencoder's mean squared error. `front_end_rate` multiplies the learning
    rate of a trained front end, and `head_weight_decay` replaces `weight_decay` for the heads. With `precision` None
    the hardware decides (`training.train.hardware`). `rules` defines what levels 2 and 3 learn from. With a `stream`
    the training specimens are drawn while the backbone learns.
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
    stream: StreamPlan | None = None


Size = TypeVar("Size")

EVIDENCE_NOTE: Final = ", evidence of altered bones joined"
"""Ends the description of a backbone with bone heads."""


@dataclass(frozen=True)
class BackboneSpec(Generic[Size]):
    """A backbone: how to build, train, describe and examine it.

    `name` is also that of its model in Triton. `sizes` holds its dimensions by size (`small`, `full`, ...), `plans` its
    training plan by configuration (`training.train.configuration`). `describe` writes the card's architecture line.
    `bone_heads` returns how many bone heads a network of a size has; their evidence is at the end of its features, in
    the order of the heads. `card_note` is added to the card's description.
    """

    name: str
    sizes: dict[str, Size]
    plans: dict[str, BackbonePlan]
    build: Callable[[Size], Backbone]
    describe: Callable[[Size], str]
    bone_heads: Callable[[Size], int]
    card_note: str = ""

    def size(self, name: str) -> Size:
        """Return the dimensions of a size; raises Fatal for an unknown one."""
        if name not in self.sizes:
            msg = f"backbone {self.name} has no size {name!r}; known are {', '.join(self.sizes)}"
            raise Fatal(msg)
        return self.sizes[name]

    def plan(self, configuration: str) -> BackbonePlan:
        """Return the training plan for a configuration, by its name; raises Fatal if there is none."""
        if configuration not in self.plans:
            msg = f"backbone {self.name} has no training plan {configuration!r}; known are {', '.join(self.plans)}"
            raise Fatal(msg)
        return self.plans[configuration]
