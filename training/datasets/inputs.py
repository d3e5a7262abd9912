"""What of a specimen a model may see: both views, or one of them (the paper's tables compare the three)."""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Input = Literal["DV", "LAT", "MV"]
"""The dorsoventral view, the lateral view, or both (multiview)."""
INPUTS: Final[tuple[Input, ...]] = get_args(Input)
_CHANNEL: Final[dict[Input, int]] = {"DV": 0, "LAT": 1}


def seen(images: NDArray[np.uint8], which: Input) -> NDArray[np.uint8]:
    """Black out what `which` does not show in uint8 [n, side, side, 3] tensors; the edges blend both views."""
    if which == "MV":
        return images
    shown = np.zeros_like(images)
    shown[..., _CHANNEL[which]] = images[..., _CHANNEL[which]]
    return shown


def seen_bones(bones: NDArray[np.uint8], which: Input) -> NDArray[np.uint8]:
    """The same for bone truth, uint8 [n, 2, channels, cells, cells]: in a black picture there are no bones."""
    if which == "MV":
        return bones
    shown = np.zeros_like(bones)
    shown[:, _CHANNEL[which]] = bones[:, _CHANNEL[which]]
    return shown
