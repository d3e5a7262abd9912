"""Which level-3 labels are called on specimens that have only one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.predictions import Labels, Mask, Numbers
from training.metrics.levels import LEVEL_COLUMNS


@dataclass(frozen=True)
class Confusion:
    """Rows are true labels in the order of `LEVEL3`.

    `shares` [10, 11]: of the abnormal specimens whose only level-3 label is the row's, the share that got the column's
    label; the last column is "none of them". A specimen can get several labels, so a row may sum to more than 1; a row
    without specimens is nan. `specimens` [10] is their number.
    """

    shares: Numbers
    specimens: NDArray[np.int64]


def confusion(called: Mask, labels: Labels, scored: Mask) -> Confusion:
    """Count calls [n, 14] against labels [n, 14] on the specimens of `scored` [n], whose level-3 labels are all known.

    Specimens with two labels are left out: on them a second label is no error.
    """
    columns = list(LEVEL_COLUMNS[3])
    truth, given = labels[scored][:, columns] == 1, called[scored][:, columns]
    outcome = np.column_stack([given, ~given.any(axis=1)])
    single = truth.sum(axis=1) == 1
    rows = [outcome[single & truth[:, index]] for index in range(len(columns))]
    shares = [row.mean(axis=0) if len(row) else np.full(outcome.shape[1], np.nan) for row in rows]
    return Confusion(np.array(shares), np.array([len(row) for row in rows], dtype=np.int64))
