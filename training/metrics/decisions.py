"""Calls at thresholds: what is published, and how often it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.common.labels import LABEL_ORDER, parents_of
from training.evaluation.predictions import Labels, Mask, Numbers
from training.metrics.estimate import Estimate, proportion


@dataclass(frozen=True)
class Errors:
    """Share of positives that are called, share of negatives that are not, each with Wilson's interval."""

    sensitivity: Estimate
    specificity: Estimate


def parent_columns(column: int) -> tuple[int, ...]:
    """Columns of the labels of which one is needed for this label to be called; none for level 1."""
    return tuple(LABEL_ORDER.index(name) for name in parents_of(LABEL_ORDER[column]))


def calls(served: Numbers, thresholds: Sequence[float]) -> Mask:
    """Labels [n, 14] as published: at or above their threshold, and a child only with one of its parents."""
    called: Mask = served >= np.asarray(thresholds)
    for column in range(1, len(LABEL_ORDER)):
        called[:, column] &= called[:, parent_columns(column)].any(axis=1)
    return called


def errors(called: Mask, truth: Labels) -> Errors:
    """Errors of calls and truth [n]."""
    positive, negative = called[truth == 1], called[truth == 0]
    return Errors(
        sensitivity=proportion(int(positive.sum()), len(positive)),
        specificity=proportion(int((~negative).sum()), len(negative)),
    )
