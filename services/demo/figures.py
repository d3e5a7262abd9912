"""Figures of calls against truth; small and plain, no library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.common.events import PhenotypeCall
from services.common.labels import LABEL_ORDER


@dataclass(frozen=True)
class LabelFigure:
    """One label over `specimens`: how many truly have it, how many were called, how many rightly so; AUC of the
    consensus probability, None when all or none have it.
    """

    label: str
    specimens: int
    truly: int
    called: int
    rightly: int
    agreement: float
    auc: float | None


@dataclass(frozen=True)
class Judged:
    """One specimen's truth (14 bits in the order of LABEL_ORDER) and its call."""

    truth: tuple[int, ...]
    abnormal_elsewhere: bool
    call: PhenotypeCall


def label_figures(judged: Sequence[Judged]) -> list[LabelFigure]:
    """Compare calls with truth, label by label.

    A specimen that is abnormal elsewhere only is left out of the thirteen labels, as in training.
    """
    return [
        _figure(index, label, [one for one in judged if index == 0 or not one.abnormal_elsewhere])
        for index, label in enumerate(LABEL_ORDER)
    ]


def auc(truth: Sequence[int], scores: Sequence[float]) -> float | None:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""
    positive = [score for bit, score in zip(truth, scores, strict=True) if bit]
    negative = [score for bit, score in zip(truth, scores, strict=True) if not bit]
    if not positive or not negative:
        return None
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def quantile(values: Sequence[float], share: float) -> float:
    """Smallest value that at least this share of the values does not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _figure(index: int, label: str, judged: Sequence[Judged]) -> LabelFigure:
    truth = [one.truth[index] for one in judged]
    called = [(int(one.call.abnormal), *one.call.vector)[index] for one in judged]
    scores = [_probabilities(one.call)[index] for one in judged]
    rightly = sum(t and c for t, c in zip(truth, called, strict=True))
    agreement = sum(t == c for t, c in zip(truth, called, strict=True)) / len(judged) if judged else math.nan
    return LabelFigure(label, len(judged), sum(truth), sum(called), rightly, agreement, auc(truth, scores))


def _probabilities(call: PhenotypeCall) -> tuple[float, ...]:
    return (call.consensus.level1, *call.consensus.level2, *call.consensus.level3)
