"""Labels that nobody knows: one value for them in all arrays of labels, and what counts beside it.

Simulated mice have every label; of real ones nobody scored all of them, and a curator may withdraw one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

MISSING: Final = 255
"""In labels uint8 [n, 14], beside 0 and 1: neither positive nor negative, in training as in every figure."""

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def known(labels: Labels) -> Mask:
    """Where labels of any shape are 0 or 1."""
    found: Mask = labels != MISSING
    return found


def scored(labels: Labels) -> Mask:
    """Mask [n, 14] of what is learnt from: level 1 where known, levels 2 and 3 where known of abnormal specimens."""
    mask = known(labels)
    mask[:, 1:] &= labels[:, :1] == 1
    return mask
