"""The gate: a candidate passes only where it is shown not to be worse than what serves, on the same specimens.

What is compared is what is served, the pooled probabilities of both backbones. Every bootstrap sample is drawn once and
used for both (paired), so that specimens which are hard for both do not count. The rules are docs/refresh.md's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from services.common.errors import Rejected
from services.registry.decision import Comparison, Reason
from training.datasets.missing import Labels, known, scored
from training.metrics.predictions import Numbers
from training.metrics.ranking import LEVEL_COLUMNS, Counts, auc_or_nan, resample, resampled_auc

Rows = NDArray[np.intp]

LEVEL_NAMES: Final = {1: "AUC level 1", 2: "AUC level 2, mean", 3: "AUC level 3, mean"}
SENSITIVITY: Final = "sensitivity level 1"
_TAIL: Final = 0.05
"""One-sided: a candidate that is better by any amount is never refused for it."""


class GateRules(BaseModel):
    """What a candidate must show.

    No level's mean AUC worse by `auc_margin` or more, level 1's sensitivity not by `sensitivity_margin`, both by the
    lower bound of the paired difference; judged on at least `least_specimens` with a known level 1, of whom
    `least_abnormal` are abnormal and as many normal. `trust_labels` lets labels pass that contradict what serves.
    """

    model_config = ConfigDict(frozen=True)

    auc_margin: float = Field(default=0.01, ge=0, le=0.5)
    sensitivity_margin: float = Field(default=0.03, ge=0, le=0.5)
    least_specimens: int = Field(default=100, ge=2)
    least_abnormal: int = Field(default=20, ge=1)
    trust_labels: bool = False


@dataclass(frozen=True)
class ModelPrediction:
    """What a set of backbones says of specimens: served probabilities [n, 14] and 14 thresholds, their means.

    Raises Rejected(`not_probabilities`): a network whose weights are not numbers answers so.
    """

    served: Numbers
    thresholds: tuple[float, ...]

    def __post_init__(self) -> None:
        values = (self.served, np.asarray(self.thresholds))
        if not all(np.isfinite(one).all() and one.min() >= 0 and one.max() <= 1 for one in values):
            raise Rejected("not_probabilities", "its answers or thresholds are not probabilities: NaN, or outside 0..1")


@dataclass(frozen=True)
class GateResult:
    """The figures, and why the candidate is refused; it passes without a reason."""

    comparisons: tuple[Comparison, ...]
    reasons: tuple[Reason, ...]
    specimens: int
    abnormal: int


@dataclass(frozen=True)
class _Pair:
    """Both opinions of the same specimens, and the bootstrap samples that both are judged on."""

    labels: Labels
    opinions: tuple[ModelPrediction, ModelPrediction]
    counts: Counts


def judge_candidate(
    labels: Labels, active: ModelPrediction, candidate: ModelPrediction, rules: GateRules, seed: int = 0
) -> GateResult:
    """Compare both on specimens with labels uint8 [n, 14] (`training.datasets.missing`)."""
    rows = known(labels[:, 0])
    specimens, abnormal = int(rows.sum()), int((labels[:, 0] == 1).sum())
    small = _too_small(specimens, abnormal, rules) or _one_sided(labels, active)
    if small:
        return GateResult((), (Reason(reason="evaluation_too_small", words=small),), specimens, abnormal)
    pair = _Pair(labels, (active, candidate), resample(len(labels), seed=seed))
    compared = [_of_level(level, pair, rules.auc_margin) for level in LEVEL_COLUMNS]
    compared.append(_of_sensitivity(pair, rules.sensitivity_margin))
    return GateResult(tuple(compared), tuple(_reasons(compared)), specimens, abnormal)


def level_auc(level: int, labels: Labels, served: Numbers) -> float:
    """Mean AUC of a level's labels on served probabilities [n, 14]: level 1 of all, others of abnormal specimens."""
    return float(_mean([auc_or_nan(truth, scores) for truth, scores, _ in _scored(level, labels, served)]))


def _too_small(specimens: int, abnormal: int, rules: GateRules) -> str:
    least = min(abnormal, specimens - abnormal)
    if specimens >= rules.least_specimens and least >= rules.least_abnormal:
        return ""
    return (
        f"{specimens} evaluation specimens, {abnormal} abnormal and {specimens - abnormal} normal; needed are "
        f"{rules.least_specimens}, and {rules.least_abnormal} of each: label more, then grow the evaluation set"
    )


def _one_sided(labels: Labels, active: ModelPrediction) -> str:
    missing = [LEVEL_NAMES[level] for level in LEVEL_COLUMNS if math.isnan(level_auc(level, labels, active.served))]
    return f"no label of {', '.join(missing)} has both classes among the evaluation specimens" if missing else ""


def _of_level(level: int, pair: _Pair, margin: float) -> Comparison:
    points = [level_auc(level, pair.labels, one.served) for one in pair.opinions]
    drawn = [_resampled(level, pair.labels, one.served, pair.counts) for one in pair.opinions]
    return _comparison(LEVEL_NAMES[level], points, drawn[1] - drawn[0], margin)


def _resampled(level: int, labels: Labels, served: Numbers, counts: Counts) -> Numbers:
    each = [resampled_auc(truth, scores, counts[:, rows]) for truth, scores, rows in _scored(level, labels, served)]
    return _mean(np.stack(each))


def _scored(level: int, labels: Labels, served: Numbers) -> list[tuple[Labels, Numbers, Rows]]:
    """Truth, scores and positions of the specimens that count, for each label of a level."""
    mask = scored(labels)
    places = [(np.flatnonzero(mask[:, column]), column) for column in LEVEL_COLUMNS[level]]
    return [(labels[rows, column], served[rows, column], rows) for rows, column in places]


def _of_sensitivity(pair: _Pair, margin: float) -> Comparison:
    abnormal = pair.labels[:, 0] == 1
    found = [(one.served[abnormal, 0] >= one.thresholds[0]).astype(np.float64) for one in pair.opinions]
    weights = pair.counts[:, abnormal].astype(np.float64)
    drawn = weights @ (found[1] - found[0]) / np.maximum(weights.sum(axis=1), 1)
    return _comparison(SENSITIVITY, [float(one.mean()) for one in found], drawn, margin)


def _comparison(name: str, points: Sequence[float], differences: Numbers, margin: float) -> Comparison:
    lowest = float(np.quantile(differences[~np.isnan(differences)], _TAIL))
    active, candidate = points
    return Comparison(
        name=name,
        active=active,
        candidate=candidate,
        difference=candidate - active,
        lowest=lowest,
        margin=margin,
    )


def _mean(values: Numbers | Sequence[float]) -> Numbers:
    """Mean over the first axis of what is a number; nan where nothing is."""
    array = np.asarray(values, dtype=np.float64)
    numbers = ~np.isnan(array)
    total, count = np.where(numbers, array, 0).sum(axis=0), numbers.sum(axis=0)
    mean: Numbers = np.where(count > 0, total / np.maximum(count, 1), math.nan)
    return mean


def _reasons(compared: Sequence[Comparison]) -> list[Reason]:
    reasons = [
        Reason(reason="sensitivity_worse" if one.name == SENSITIVITY else "level_worse", words=one.in_words())
        for one in compared
        if one.worse
    ]
    gain = float(np.mean([one.difference for one in compared if one.name != SENSITIVITY]))
    if not reasons and gain < 0:
        words = f"over all {len(LEVEL_NAMES)} levels its AUC is {gain:+.4f} on average: a margin is no leave to lose"
        reasons.append(Reason(reason="not_better", words=words))
    return reasons
