"""From the backbones' probabilities to one call: consensus, thresholds, hierarchy, uncertainty (paper section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.events import ModelOutput, Probabilities
from services.common.hierarchy import consensus, pooled
from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL2, LEVEL3, PARENTS
from services.common.model_card import ModelCard
from services.registry.triton_client import ServedModel

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class CallDecision:
    """The decision of one call.

    `vector` holds 0 or 1 per label in the order of CALL_LABELS. `abnormal_elsewhere` is true for an abnormal specimen
    with none of those labels. `uncertain` and `disagreement` name labels of LABEL_ORDER.
    """

    vector: tuple[int, ...]
    abnormal: bool
    abnormal_elsewhere: bool
    consensus: Probabilities
    uncertain: tuple[str, ...]
    disagreement: tuple[str, ...]


def decide(outputs: Sequence[Probabilities], cards: Sequence[ModelCard]) -> CallDecision:
    """Combine one specimen's outputs of all backbones, in the order of `cards`.

    The consensus pools the probabilities, weighted by the cards' `consensus_weight`; it is compared with the thresholds
    pooled in the same way. A level-3 label needs level 1 and one of its level-2 parents. A label is uncertain when its
    consensus is within the weighted mean `uncertain_half_width` of its threshold. It is a disagreement when the
    backbones alone would decide it differently.
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


def model_output(backbone: ServedModel, probabilities: Probabilities) -> ModelOutput:
    """Return a backbone's probabilities as part of a call, with the version and digests that produced them."""
    return ModelOutput(
        model=backbone.model,
        version=backbone.version,
        calibration_digest=backbone.card.calibration_digest,
        training_digest=backbone.card.training_digest,
        probabilities=probabilities,
    )


def _row(output: Probabilities) -> list[float]:
    return [output.level1, *output.level2, *output.level3]


def _probabilities(row: Numbers) -> Probabilities:
    values = [round(float(value), 6) for value in row]
    return Probabilities(
        level1=values[0], level2=tuple(values[1 : 1 + len(LEVEL2)]), level3=tuple(values[1 + len(LEVEL2) :])
    )


def _coherent(over: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop labels whose parents are negative: no label on a normal specimen, no kind without its body part."""
    level2 = {label: bool(over[0] and over[1 + CALL_LABELS.index(label)]) for label in LEVEL2}
    level3 = [bool(over[1 + CALL_LABELS.index(label)]) and any(level2[p] for p in PARENTS[label]) for label in LEVEL3]
    return np.array([bool(over[0]), *level2.values(), *level3])


def _named(mask: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(label for label, yes in zip(LABEL_ORDER, mask, strict=True) if yes)
