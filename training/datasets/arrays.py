"""What the arrays of a dataset mean: missing labels, and the views that a model reads.

Simulated mice have every label. For real mice not all are scored, and a curator may withdraw one. A model reads both
views or one of them (the paper's tables compare the three).
"""

from typing import Final, Literal, get_args

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


Input = Literal["DV", "LAT", "MV"]
"""The dorsoventral view, the lateral view, or both (multiview)."""
INPUTS: Final[tuple[Input, ...]] = get_args(Input)
_CHANNEL: Final[dict[Input, int]] = {"DV": 0, "LAT": 1}


def select_views(images: NDArray[np.uint8], which: Input) -> NDArray[np.uint8]:
    """Black out all channels but that of `which` in tensors uint8 [n, side, side, 3]; the edges blend both views."""
    if which == "MV":
        return images
    shown = np.zeros_like(images)
    shown[..., _CHANNEL[which]] = images[..., _CHANNEL[which]]
    return shown


def select_bone_views(bones: NDArray[np.uint8], which: Input) -> NDArray[np.uint8]:
    """Set the bone truth, uint8 [n, 2, channels, cells, cells], of a view that is blacked out to zero."""
    if which == "MV":
        return bones
    shown = np.zeros_like(bones)
    shown[:, _CHANNEL[which]] = bones[:, _CHANNEL[which]]
    return shown
