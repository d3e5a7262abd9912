"""What a training set is made of; two sets of the same recipe are equal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from services.common.preprocessing import TENSOR_SIDE, VERSION
from training.datasets.split import Part, part_of
from training.simulation.centres import CENTRES, UNSEEN_CENTRES
from training.simulation.prevalence import BALANCED, RECORD
from training.simulation.specimen import Specimen, make_specimen

PICTURE_SIDE: Final = 900
"""Longer side of the pictures in pixels: twice a view's, which is all a view can show, at a third of the time."""


@dataclass(frozen=True)
class Recipe:
    """`specimens` simulated mice, seeds `first_seed` onwards; pictures of `picture_side`, tensors of `side` pixels.

    What occurs together in a mouse is as in the public record; in the last `balanced` of them every kind of
    abnormality is as frequent as any other, and most have one only (`training.simulation.prevalence`): for training, and
    as a harder test. With `unseen` they come from the centres that no training set has, for testing only.
    """

    specimens: int
    first_seed: int
    side: int = TENSOR_SIDE
    picture_side: int = PICTURE_SIDE
    preprocessing_version: str = VERSION
    unseen: bool = False
    balanced: int = 0

    def is_balanced(self, index: int) -> bool:
        """Whether specimen `index` is one of the last `balanced`."""
        return index >= self.specimens - self.balanced

    def specimen(self, index: int) -> Specimen:
        """Draw specimen `index`."""
        return make_specimen(
            self.first_seed + index,
            prevalence=BALANCED if self.is_balanced(index) else RECORD,
            centres=UNSEEN_CENTRES if self.unseen else CENTRES,
        )

    def part(self, index: int, specimen: str) -> Part:
        """Return the part that a specimen belongs to.

        By hash of its id; of the balanced ones nothing is for validation, whose prevalence calibrates the models.
        """
        part = part_of(specimen)
        if not self.is_balanced(index):
            return part
        return "balanced" if part == "test" else "train"

    def as_dict(self) -> dict[str, int | str]:
        """Return the recipe as JSON-serialisable values."""
        return asdict(self)
