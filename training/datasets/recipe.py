"""The recipe of a training set: two sets of the same recipe are equal.

The 70/20/10 split by specimen (paper section 4, "Protocol") uses a hash, so adding specimens moves none.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import ClassVar, Final, Literal

from services.common.preprocessing import TENSOR_SIDE, VERSION
from training.population import Population
from training.simulation.centres import CENTRES, UNSEEN_CENTRES
from training.simulation.specimen import BALANCED, RECORD, SimulatedSpecimen, make_specimen

Part = Literal["train", "validation", "test", "balanced"]
"""`balanced` is a second test part, harder than `test`: see `Recipe`."""

_BUCKETS: Final = 1000
_TRAIN_END: Final = 700
_VALIDATION_END: Final = 900


def part_of(specimen: str) -> Part:
    """Return the part that a specimen belongs to, from its id alone."""
    bucket = int.from_bytes(hashlib.sha256(specimen.encode()).digest()[:8], "big") % _BUCKETS
    if bucket < _TRAIN_END:
        return "train"
    return "validation" if bucket < _VALIDATION_END else "test"


PICTURE_SIDE: Final = 900
"""Longer side of the pictures in pixels: twice a view's, so no detail of a view is lost, at a third of the time."""


@dataclass(frozen=True)
class Recipe:
    """`specimens` simulated mice, seeds `first_seed` onwards; pictures of `picture_side`, tensors of `side` pixels.

    Findings occur together as in the public record (`RECORD` of `training.simulation.specimen`). The last `balanced`
    specimens use `BALANCED` instead: kinds are drawn by the weights of the catalogue, and most abnormal mice have only
    one finding. They serve for training and as a harder test. With `unseen` the mice come from the centres that are in
    no training set, for testing only. `population` is that of `training.simulation.specimen`.
    """

    keeps_elsewhere: ClassVar[bool] = False
    """Whether specimens that are abnormal only outside the thirteen labels get pictures."""

    specimens: int
    first_seed: int
    side: int = TENSOR_SIDE
    picture_side: int = PICTURE_SIDE
    preprocessing_version: str = VERSION
    unseen: bool = False
    balanced: int = 0
    population: Population = "plain"

    def is_balanced(self, index: int) -> bool:
        """Whether specimen `index` is one of the last `balanced`."""
        return index >= self.specimens - self.balanced

    def specimen(self, index: int) -> SimulatedSpecimen:
        """Draw specimen `index`."""
        return make_specimen(
            self.first_seed + index,
            prevalence=BALANCED if self.is_balanced(index) else RECORD,
            centres=UNSEEN_CENTRES if self.unseen else CENTRES,
            population=self.population,
        )

    def part(self, index: int, specimen: str) -> Part:
        """Return the part that a specimen belongs to.

        The part follows from the hash of the id. No balanced specimen is used for validation, because the prevalence
        there calibrates the models.
        """
        part = part_of(specimen)
        if not self.is_balanced(index):
            return part
        return "balanced" if part == "test" else "train"

    def as_dict(self) -> dict[str, int | str]:
        """Return the recipe as JSON-serialisable values."""
        return asdict(self)
