"""The gate: a candidate passes only if it is proven no worse than the models that serve, on the same specimens.

It compares the served output, the pooled probabilities of all backbones. Every bootstrap sample is used for both models
(paired), so that specimens that are hard for both do not influence the result. docs/refresh.md describes the rules.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.common.hierarchy import consensus as consensus_of
from services.common.hierarchy import pooled
from services.registry.decision import Comparison, Reason
from services.registry.inspect import GRAPH
from training.datasets.arrays import Labels, known, scored
from training.datasets.store import Subset
from training.evaluation.evaluate import EvaluatedBackbone, consensus
from training.export.graph import run_onnx_batches
from training.metrics.predictions import Numbers
from training.metrics.ranking import LEVEL_COLUMNS, Counts, auc_or_nan, resample, resampled_auc
from training.refresh.journal import GateRules
from training.refresh.start import StartingPoint

Rows = NDArray[np.intp]

LEVEL_NAMES: Final = {1: "AUC level 1", 2: "AUC level 2, mean", 3: "AUC level 3, mean"}
SENSITIVITY: Final = "sensitivity level 1"
_TAIL: Final = 0.05
"""Of the one-sided interval: a candidate is never refused for being better."""


@dataclass(frozen=True)
class ModelPrediction:
    """Pooled predictions of a set of backbones: served probabilities float64 [n, 14] and the 14 pooled thresholds.

    Raises Rejected(`not_probabilities`) for values that are NaN or outside 0..1, the output of a network whose weights
    are not numbers.
    """

    served: Numbers
    thresholds: tuple[float, ...]

    def __post_init__(self) -> None:
        values = (self.served, np.asarray(self.thresholds))
        if not all(np.isfinite(one).all() and one.min() >= 0 and one.max() <= 1 for one in values):
            raise Rejected("not_probabilities", "its output or thresholds are not probabilities: NaN, or outside 0..1")


@dataclass(frozen=True)
class GateResult:
    """The figures, and the reasons for refusing the candidate; without a reason it passes."""

    comparisons: tuple[Comparison, ...]
    reasons: tuple[Reason, ...]
    specimens: int
    abnormal: int


@dataclass(frozen=True)
class _Pair:
    """Both predictions for the same specimens, active first, and the bootstrap samples for both."""

    labels: Labels
    predictions: tuple[ModelPrediction, ModelPrediction]
    counts: Counts


def judge_candidate(
    labels: Labels, active: ModelPrediction, candidate: ModelPrediction, rules: GateRules, seed: int = 0
) -> GateResult:
    """Compare both predictions on specimens with labels uint8 [n, 14] (`training.datasets.arrays`)."""
    rows = known(labels[:, 0])
    specimens, abnormal = int(rows.sum()), int((labels[:, 0] == 1).sum())
    small = _too_small(specimens, abnormal, rules) or _single_class(labels, active)
    if small:
        return GateResult((), (Reason(reason="evaluation_too_small", words=small),), specimens, abnormal)
    pair = _Pair(labels, (active, candidate), resample(len(labels), seed=seed))
    compared = [_compare_level(level, pair, rules.auc_margin) for level in LEVEL_COLUMNS]
    compared.append(_compare_sensitivity(pair, rules.sensitivity_margin))
    return GateResult(tuple(compared), tuple(_reasons(compared)), specimens, abnormal)


def level_auc(level: int, labels: Labels, served: Numbers) -> float:
    """Return the mean AUC of a level on served probabilities [n, 14]; levels 2 and 3 among abnormal specimens.

    Labels without both classes are left out; nan if none is left.
    """
    return float(_mean([auc_or_nan(truth, scores) for truth, scores, _ in _scored(level, labels, served)]))


def _too_small(specimens: int, abnormal: int, rules: GateRules) -> str:
    least = min(abnormal, specimens - abnormal)
    if specimens >= rules.least_specimens and least >= rules.least_abnormal:
        return ""
    return (
        f"{specimens} evaluation specimens, {abnormal} abnormal and {specimens - abnormal} normal; needed are "
        f"{rules.least_specimens}, and {rules.least_abnormal} of each: label more, then grow the evaluation set"
    )


def _single_class(labels: Labels, active: ModelPrediction) -> str:
    missing = [LEVEL_NAMES[level] for level in LEVEL_COLUMNS if math.isnan(level_auc(level, labels, active.served))]
    return f"no label of {', '.join(missing)} has both classes among the evaluation specimens" if missing else ""


def _compare_level(level: int, pair: _Pair, margin: float) -> Comparison:
    points = [level_auc(level, pair.labels, one.served) for one in pair.predictions]
    drawn = [_resampled(level, pair.labels, one.served, pair.counts) for one in pair.predictions]
    return _comparison(LEVEL_NAMES[level], points, drawn[1] - drawn[0], margin)


def _resampled(level: int, labels: Labels, served: Numbers, counts: Counts) -> Numbers:
    each = [resampled_auc(truth, scores, counts[:, rows]) for truth, scores, rows in _scored(level, labels, served)]
    return _mean(np.stack(each))


def _scored(level: int, labels: Labels, served: Numbers) -> list[tuple[Labels, Numbers, Rows]]:
    """Return truth, scores and positions of the specimens that are scored, for each label of a level."""
    mask = scored(labels)
    scored_rows = [(np.flatnonzero(mask[:, column]), column) for column in LEVEL_COLUMNS[level]]
    return [(labels[rows, column], served[rows, column], rows) for rows, column in scored_rows]


def _compare_sensitivity(pair: _Pair, margin: float) -> Comparison:
    abnormal = pair.labels[:, 0] == 1
    found = [(one.served[abnormal, 0] >= one.thresholds[0]).astype(np.float64) for one in pair.predictions]
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
    """Return the mean over the first axis without nan values; nan where there are only nan values."""
    array = np.asarray(values, dtype=np.float64)
    numbers = ~np.isnan(array)
    total, count = np.where(numbers, array, 0).sum(axis=0), numbers.sum(axis=0)
    mean: Numbers = np.where(count > 0, total / np.maximum(count, 1), math.nan)
    return mean


def _reasons(compared: Sequence[Comparison]) -> list[Reason]:
    reasons = [
        Reason(reason="sensitivity_worse" if one.name == SENSITIVITY else "level_worse", words=one.summary())
        for one in compared
        if one.worse
    ]
    gain = float(np.mean([one.difference for one in compared if one.name != SENSITIVITY]))
    if not reasons and gain < 0:
        message = (
            f"over all {len(LEVEL_NAMES)} levels its AUC is {gain:+.4f} on average: a margin does not permit a loss"
        )
        reasons.append(Reason(reason="not_better", words=message))
    return reasons


_BATCH: Final = 32


def active_prediction(start: StartingPoint, subset: Subset, threads: int) -> ModelPrediction:
    """Run the graphs that serve on a subset, with ONNX Runtime."""
    cards = [start.cards[model] for model in start.folders]
    served = [_run_graph((folder / GRAPH).read_bytes(), subset, threads) for folder in start.folders.values()]
    weights = [card.consensus_weight for card in cards]
    thresholds = pooled([card.thresholds for card in cards], weights)
    return ModelPrediction(consensus_of(served, weights), tuple(thresholds.tolist()))


def candidate_prediction(judged: Mapping[str, EvaluatedBackbone]) -> ModelPrediction:
    """Pool the candidate's backbones, on the specimens that they were evaluated on."""
    together = consensus(list(judged.values()))
    return ModelPrediction(together.served, together.thresholds)


def sample_specimens(subset: Subset, most: int, seed: int) -> Subset:
    """Return at most `most` specimens of a subset, drawn by the seed, in their order."""
    if len(subset) <= most:
        return subset
    chosen = np.sort(np.random.default_rng(seed).choice(len(subset), most, replace=False))
    centres = tuple(subset.centres[index] for index in chosen.tolist())
    return replace(subset, rows=subset.rows[chosen], labels=subset.labels[chosen], centres=centres)


def _run_graph(graph: bytes, subset: Subset, threads: int) -> Numbers:
    """Return the served probabilities, float64 [n, 14]."""
    batches = run_onnx_batches(graph, subset.batches(_BATCH), threads)
    return np.concatenate([np.concatenate(outputs, axis=1) for outputs in batches]).astype(np.float64)
