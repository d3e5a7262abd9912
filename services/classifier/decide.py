"""From the backbones' probabilities to one call: consensus, thresholds, hierarchy, doubts (paper section 4).

What one backbone said, with the names that trace it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.events import ModelOutput, Probabilities
from services.common.hierarchy import consensus, pooled
from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL2, LEVEL3, PARENTS
from services.common.model_card import ModelCard
from services.registry.triton_client import Backbone


def model_output(backbone: Backbone, probabilities: Probabilities) -> ModelOutput:
    """Return a backbone's probabilities as a call keeps them."""
    return ModelOutput(
        model=backbone.model,
        version=backbone.version,
        calibration_digest=backbone.card.calibration_digest,
        training_digest=backbone.card.training_digest,
        probabilities=probabilities,
    )


Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class CallDecision:
    """What a call says; `vector` is in the order of CALL_LABELS."""

    vector: tuple[int, ...]
    abnormal: bool
    abnormal_elsewhere: bool
    consensus: Probabilities
    uncertain: tuple[str, ...]
    disagreement: tuple[str, ...]


def decide(outputs: Sequence[Probabilities], cards: Sequence[ModelCard]) -> CallDecision:
    """Combine one specimen's outputs of all backbones, in the order of `cards`.

    Consensus is the pool of the probabilities against that of the thresholds, weighed by what the cards say. A level-3
    label needs level 1 and one of its level-2 parents; a label whose consensus lies within the mean uncertain band of
    its threshold is uncertain, one on which single backbones would decide differently is a disagreement.
    """
    rows = np.array([_row(output) for output in outputs])
    thresholds = np.array([card.thresholds for card in cards], dtype=np.float64)
    weights = [card.consensus_weight for card in cards]
    together = consensus(rows[:, np.newaxis], weights)[0]
    threshold = pooled(thresholds, weights)
    band = float(np.average([card.uncertain_half_width for card in cards], weights=weights))
    positive = _coherent(together >= threshold)
    single = [_coherent(row >= own) for row, own in zip(rows, thresholds, strict=True)]
    vector = tuple(int(value) for value in positive[1:])
    return CallDecision(
        vector=vector,
        abnormal=bool(positive[0]),
        abnormal_elsewhere=bool(positive[0]) and not any(vector),
        consensus=_probabilities(together),
        uncertain=_named(np.abs(together - threshold) < band),
        disagreement=_named(np.ptp(np.array(single, dtype=np.int8), axis=0) > 0),
    )


def _row(output: Probabilities) -> list[float]:
    return [output.level1, *output.level2, *output.level3]


def _probabilities(row: Numbers) -> Probabilities:
    values = [round(float(value), 6) for value in row]
    return Probabilities(
        level1=values[0], level2=tuple(values[1 : 1 + len(LEVEL2)]), level3=tuple(values[1 + len(LEVEL2) :])
    )


def _coherent(over: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop labels whose parents are not there: nothing on a normal specimen, no kind without its part."""
    level2 = {label: bool(over[0] and over[1 + CALL_LABELS.index(label)]) for label in LEVEL2}
    level3 = [bool(over[1 + CALL_LABELS.index(label)]) and any(level2[p] for p in PARENTS[label]) for label in LEVEL3]
    return np.array([bool(over[0]), *level2.values(), *level3])


def _named(mask: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(label for label, yes in zip(LABEL_ORDER, mask, strict=True) if yes)
