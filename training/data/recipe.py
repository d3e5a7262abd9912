"""What a training set is made of; two sets of the same recipe are equal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from services.common.preprocessing import TENSOR_SIDE, VERSION

PICTURE_SIDE: Final = 900
"""Longer side of the pictures in pixels: twice a view's, which is all a view can show, at a third of the time."""


@dataclass(frozen=True)
class Recipe:
    """`specimens` simulated mice, seeds `first_seed` onwards; pictures of `picture_side`, tensors of `side` pixels.

    With `unseen` they come from the centres that no training set has, for testing only.
    """

    specimens: int
    first_seed: int
    side: int = TENSOR_SIDE
    picture_side: int = PICTURE_SIDE
    preprocessing_version: str = VERSION
    unseen: bool = False

    def as_dict(self) -> dict[str, int | str]:
        """Return the recipe as JSON-serialisable values."""
        return asdict(self)
