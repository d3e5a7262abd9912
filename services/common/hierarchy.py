"""The consensus of several backbones: their logarithmic pool, which agrees down the hierarchy as each of them does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.common.labels import LABEL_ORDER, LEVEL2, LEVEL3, PARENTS

_LEVEL2 = slice(1, 1 + len(LEVEL2))
_CLIP: Final = 1e-6
"""Of probabilities, so that no backbone is sure enough to silence the others. Calls round to as many digits."""


def consensus(probabilities: ArrayLike, weights: Sequence[float]) -> NDArray[np.float64]:
    """Pool [n, 14] of the backbones' probabilities as served, each [n, 14], limited by the levels above."""
    return limited(pooled(probabilities, weights))


def pooled(probabilities: ArrayLike, weights: Sequence[float]) -> NDArray[np.float64]:
    """Probabilities, or thresholds, whose logits are the weighted means of the backbones' logits; all of one shape.

    A mean of calibrated probabilities is too little sure (Ranjan and Gneiting, J. R. Stat. Soc. B 2010, 72:71), a
    logarithmic pool less so. docs/models.md has both measured.
    """
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), _CLIP, 1 - _CLIP)
    mean = np.average(np.log(clipped) - np.log1p(-clipped), axis=0, weights=weights)
    result: NDArray[np.float64] = 1 / (1 + np.exp(-mean))
    return result


def limited(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limit probabilities [n, 14], in the order of `LABEL_ORDER`, by those of the levels above.

    No label is more probable than the specimen being abnormal, no kind more probable than the most probable part that
    can have it. Each backbone keeps to that; a pool of several need not: each may have the kind in another part.
    """
    result = probabilities.copy()
    result[:, _LEVEL2] = np.minimum(result[:, _LEVEL2], result[:, :1])
    for label in LEVEL3:
        parents = [LABEL_ORDER.index(parent) for parent in PARENTS[label]]
        column = LABEL_ORDER.index(label)
        result[:, column] = np.minimum(result[:, column], result[:, parents].max(axis=1))
    return result
