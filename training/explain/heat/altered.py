"""The cells of the simulator's bone truth that a label's heat should lie on."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.labels import LABEL_ORDER
from training.datasets.bone_truth import CHANNELS, REGIONS

LEAST_COVER: Final = 10
"""A cell of which less than 10/255 is bone does not count as bone."""


def altered_cells(bones: NDArray[np.uint8], column: int) -> NDArray[np.bool_]:
    """Cells [2, side, side] of the bones that set a label (level 1: that any finding altered).

    `bones` is one specimen's truth uint8 [2, channels, side, side], `column` the label's in `LABEL_ORDER`.
    """
    return np.asarray(bones[:, altered_channel(column)] >= LEAST_COVER)


def altered_channel(column: int) -> int:
    """Channel of the bone truth that shows the bones behind a label of `LABEL_ORDER`."""
    return CHANNELS.index("altered" if column == 0 else f"altered: {LABEL_ORDER[column]}")


def bone_cells(bones: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Cells [2, side, side] of any bone of one specimen's truth uint8 [2, channels, side, side]."""
    return np.asarray((bones[:, : len(REGIONS)] >= LEAST_COVER).any(axis=1))
