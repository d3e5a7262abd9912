"""How a backbone is trained: its plan, and the rules by which levels 2 and 3 learn. Imports no torch."""

from dataclasses import dataclass
from typing import Final, Literal

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
    """How the three levels are taught.

    `conditional`: normal specimens teach levels 2 and 3 nothing, as in the paper's evaluation. `together`: all levels
    are trained at once. Otherwise they are trained one after the other, each on the frozen result of the previous ones
    (the paper's way); only heads can be trained like that (`training.train.heads`).
    """

    conditional: bool = True
    balance: Balance = "weights"
    together: bool = True


RULES: Final = TrainingRules()
"""The rules of all models that serve."""


@dataclass(frozen=True)
class BackbonePlan:
    """Training plan of one backbone: AdamW with one warm-up and a cosine decay of `learning_rate`.

    Training runs for at most `epochs` and stops after `patience` epochs without a smaller validation loss.
    `weight_decay` applies to all weights; it is the paper's L2 regularisation of the dense layers.
    `reconstruction_weight` multiplies the autoencoder's mean squared error. `front_end_rate` multiplies the learning
    rate of a trained front end, and `head_weight_decay` replaces `weight_decay` for the heads. With `precision` None
    the hardware decides (`training.train.hardware`). `rules` defines what levels 2 and 3 learn from.
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
