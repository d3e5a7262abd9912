"""The 70/20/10 split by specimen (paper section 4, "Protocol"): by hash, so that adding specimens moves none."""

from __future__ import annotations

import hashlib
from typing import Final, Literal

Part = Literal["train", "validation", "test", "balanced"]
"""`balanced` is a second test part, harder than `test`: see `training.datasets.recipe.Recipe`."""

_BUCKETS: Final = 1000
_TRAIN_END: Final = 700
_VALIDATION_END: Final = 900


def part_of(specimen: str) -> Part:
    """Return the part that a specimen belongs to, from its id alone."""
    bucket = int.from_bytes(hashlib.sha256(specimen.encode()).digest()[:8], "big") % _BUCKETS
    if bucket < _TRAIN_END:
        return "train"
    return "validation" if bucket < _VALIDATION_END else "test"
