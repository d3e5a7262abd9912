"""Calibration: whether the labels given a probability of 0.7 are positive seven times in ten."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from training.datasets.missing import Labels
from training.metrics.predictions import Numbers
from training.metrics.ranking import Estimate, proportion

BINS: Final = 10


@dataclass(frozen=True)
class ReliabilityPoint:
    """One bin: mean probability, share of positives with Wilson's interval, number of specimens."""

    probability: float
    positives: Estimate
    specimens: int


def reliability(truth: Labels, probabilities: Numbers, bins: int = BINS) -> list[ReliabilityPoint]:
    """Bins with equal numbers of specimens, by rising probability, of truth and probabilities [n]; fewer if n < bins.

    Bins of equal width would be nearly empty at probabilities that a rare label never reaches (Nguyen and O'Connor,
    2015).
    """
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, len(order))) if len(order) else []
    return [
        ReliabilityPoint(
            probability=float(probabilities[part].mean()),
            positives=proportion(int(truth[part].sum()), len(part)),
            specimens=len(part),
        )
        for part in parts
    ]


def expected_calibration_error(truth: Labels, probabilities: Numbers, bins: int = BINS) -> float:
    """Mean distance in 0..1 between probability and share of positives over the bins; nan without specimens."""
    points = reliability(truth, probabilities, bins)
    total = sum(point.specimens for point in points)
    if not total:
        return math.nan
    return sum(point.specimens * abs(point.probability - point.positives.value) for point in points) / total
