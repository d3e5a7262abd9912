"""Missing labels: their value in label arrays, and which labels count.

Simulated mice have every label. For real mice not all are scored, and a curator may withdraw one.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

MISSING: Final = 255
"""Value in labels uint8 [n, 14] next to 0 and 1: neither positive nor negative, in training and in every figure."""

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def known(labels: Labels) -> Mask:
    """Mask of labels, of any shape, that are 0 or 1."""
    found: Mask = labels != MISSING
    return found


def scored(labels: Labels) -> Mask:
    """Mask [n, 14] of labels to learn from: level 1 where known, levels 2 and 3 where known for abnormal specimens."""
    mask = known(labels)
    mask[:, 1:] &= labels[:, :1] == 1
    return mask
