"""How much a backbone says in the consensus: what it tells on validation specimens."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.datasets.missing import known

LEAST: Final = 0.01
"""Of a backbone that tells nothing: it keeps a say, so that a consensus always has a weight."""
_CLIP: Final = 1e-6


def consensus_weight(probabilities: NDArray[np.float64], labels: NDArray[np.uint8]) -> float:
    """Share, in 0..1, of the labels' uncertainty that probabilities [n, 14] take away; at least `LEAST`.

    One minus the logarithmic loss over that of the mere prevalence: the proportion of entropy explained (Kent,
    Biometrika 1983, 70:163), mean over labels of which both classes are known. Measured for each backbone by itself, so
    that any two versions can serve together.
    """
    columns = [(column, known(labels[:, column])) for column in range(labels.shape[1])]
    each = [(probabilities[rows, column], labels[rows, column]) for column, rows in columns]
    explained = [
        1 - _loss(told, truth) / _loss(np.full(len(truth), truth.mean()), truth)
        for told, truth in each
        if len(truth) and truth.min() != truth.max()
    ]
    return round(max(float(np.mean(explained)), LEAST), 4) if explained else LEAST


def _loss(probabilities: NDArray[np.float64], truth: NDArray[np.uint8]) -> float:
    clipped = np.clip(probabilities, _CLIP, 1 - _CLIP)
    return float(-np.mean(np.where(truth == 1, np.log(clipped), np.log1p(-clipped))))
