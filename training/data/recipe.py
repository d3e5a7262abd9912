"""What a training set is made of; two sets of the same recipe are equal."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from services.common.preprocessing import TENSOR_SIDE, VERSION


@dataclass(frozen=True)
class Recipe:
    """`specimens` simulated mice, seeds `first_seed` onwards, fused to tensors of `side` pixels."""

    specimens: int
    first_seed: int
    side: int = TENSOR_SIDE
    preprocessing_version: str = VERSION

    def as_dict(self) -> dict[str, int | str]:
        """Return the recipe as JSON-serialisable values."""
        return asdict(self)
