"""The consensus of several backbones: their logarithmic pool, made consistent with the label hierarchy."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.common.labels import LABEL_ORDER, LEVEL2, LEVEL3, PARENTS

_LEVEL2 = slice(1, 1 + len(LEVEL2))
_CLIP: Final = 1e-6
"""Smallest probability used, so that no backbone can outweigh all others. Calls are rounded to as many digits."""


def consensus(probabilities: ArrayLike, weights: Sequence[float]) -> NDArray[np.float64]:
    """Pool the backbones' probabilities as served, each [n, 14]; return [n, 14], limited by the levels above."""
    return limited(pooled(probabilities, weights))


def pooled(probabilities: ArrayLike, weights: Sequence[float]) -> NDArray[np.float64]:
    """Return probabilities, or thresholds, whose logits are the weighted means of the backbones' logits.

    Input and output have the same shape. A mean of calibrated probabilities is underconfident (Ranjan and Gneiting,
    J. R. Stat. Soc. B 2010, 72:71), a logarithmic pool less so. docs/models.md has measurements of both.
    """
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), _CLIP, 1 - _CLIP)
    mean = np.average(np.log(clipped) - np.log1p(-clipped), axis=0, weights=weights)
    result: NDArray[np.float64] = 1 / (1 + np.exp(-mean))
    return result


def limited(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limit probabilities [n, 14], in the order of `LABEL_ORDER`, by those of the levels above.

    No label is more probable than the specimen being abnormal, and no kind more probable than the most probable part
    that can have it. Each backbone satisfies this, but a pool of several may not: each may find the kind in another
    part.
    """
    result = probabilities.copy()
    result[:, _LEVEL2] = np.minimum(result[:, _LEVEL2], result[:, :1])
    for label in LEVEL3:
        parents = [LABEL_ORDER.index(parent) for parent in PARENTS[label]]
        column = LABEL_ORDER.index(label)
        result[:, column] = np.minimum(result[:, column], result[:, parents].max(axis=1))
    return result
