"""From the backbones' outputs to one call, or to none: consensus, thresholds, hierarchy, familiarity.

Without a set card the calibrated probabilities are pooled (paper section 4). With one, the scores are referred to the
centre's controls, and the set decides (`services.common.decision`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.decision.calibration import shift_prevalence, sigmoid
from services.common.decision.familiarity import REACHED
from services.common.decision.reference import ReferenceStatistics, recentre
from services.common.decision.set_card import MemberOutputs, SetCard, SetMember, called, coherent, decide_set
from services.common.errors import Fatal
from services.common.events import ModelOutput, Probabilities
from services.common.hierarchy import consensus, pooled
from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL2, LEVEL3, PARENTS
from services.common.model_card import ModelCard
from services.registry.references.snapshot import ControlGroup
from services.registry.triton_client import Prediction, ServedModel

Numbers = NDArray[np.float64]
_DIGITS: Final = 6


@dataclass(frozen=True)
class CallDecision:
    """The decision of one call.

    `vector` holds 0 or 1 per label in the order of CALL_LABELS. `abnormal_elsewhere` is true for an abnormal specimen
    with none of those labels. `uncertain` and `disagreement` name labels of LABEL_ORDER. `reasons` are those for which
    the models abstain; the other fields are then what they would have called. `unfamiliarity` is in 0..1, None if no
    version measures it.
    """

    vector: tuple[int, ...]
    abnormal: bool
    abnormal_elsewhere: bool
    consensus: Probabilities
    uncertain: tuple[str, ...]
    disagreement: tuple[str, ...]
    unfamiliarity: float | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetRule:
    """How a set of versions decides: their cards in the order of the outputs, and the set's own card if it has one."""

    cards: tuple[ModelCard, ...]
    set_card: SetCard | None = None

    def decide(self, outputs: Sequence[Prediction], controls: ControlGroup | None) -> CallDecision:
        """Decide on one specimen.

        `controls` is what it is compared with; without controls, or without a set card, that is training. A set card
        needs every optional output of its members.
        """
        if self.set_card is not None:
            return _by_set(self.set_card, self.cards, outputs, controls)
        decision = decide([one.probabilities for one in outputs], self.cards)
        measured = [one.unfamiliar for one in outputs if one.unfamiliar is not None]
        if not measured:
            return decision
        reasons = ("unfamiliar",) if max(measured) > REACHED else ()
        return replace(decision, unfamiliarity=round(max(measured), _DIGITS), reasons=reasons)


def _by_set(
    card: SetCard, cards: Sequence[ModelCard], outputs: Sequence[Prediction], controls: ControlGroup | None
) -> CallDecision:
    by_model = {model_card.model: output for model_card, output in zip(cards, outputs, strict=True)}
    members = [_member_outputs(by_model[member.model]) for member in card.members]
    references = None if controls is None else [controls.statistics[member.model] for member in card.members]
    decided = decide_set(card, members, references)
    known = references or [member.training for member in card.members]
    single = [
        called(coherent(_alone(card, member, own.scores, reference)), card.thresholds)[0]
        for member, own, reference in zip(card.members, members, known, strict=True)
    ]
    positive = decided.positive[0]
    vector = tuple(int(value) for value in positive[1:])
    return CallDecision(
        vector=vector,
        abnormal=bool(positive[0]),
        abnormal_elsewhere=bool(positive[0]) and not any(vector),
        consensus=_probabilities(decided.served[0]),
        uncertain=_named(decided.uncertain[0]),
        disagreement=_named(np.ptp(np.array(single, dtype=np.int8), axis=0) > 0),
        unfamiliarity=round(float(decided.unfamiliarity[0]), _DIGITS),
        reasons=() if decided.reasons[0] is None else (decided.reasons[0],),
    )


def _member_outputs(output: Prediction) -> MemberOutputs:
    if output.scores is None or output.features is None or output.unfamiliar is None:
        msg = "a version of a set with a card gives no scores, features or unfamiliar"
        raise Fatal(msg)
    return MemberOutputs(np.array([output.scores]), np.array([output.features]), np.array([output.unfamiliar]))


def _alone(card: SetCard, member: SetMember, scores: Numbers, reference: ReferenceStatistics) -> Numbers:
    """Return the probabilities [1, 14] of one member at the set's prevalence, of levels 2 and 3 given abnormal."""
    logits = member.scale * recentre(scores, reference, member.training) + member.shift
    logits[:, 0] = shift_prevalence(logits[:, 0], card.fitted_prevalence, card.stated_prevalence)
    return sigmoid(logits)


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


def model_output(backbone: ServedModel, prediction: Prediction) -> ModelOutput:
    """Return a backbone's output as part of a call, with the version and digests that produced it."""
    return ModelOutput(
        model=backbone.model,
        version=backbone.version,
        calibration_digest=backbone.card.calibration_digest,
        training_digest=backbone.card.training_digest,
        probabilities=prediction.probabilities,
        scores=prediction.scores,
        features=prediction.features,
        unfamiliar=prediction.unfamiliar,
    )


def _row(output: Probabilities) -> list[float]:
    return [output.level1, *output.level2, *output.level3]


def _probabilities(row: Numbers) -> Probabilities:
    values = [round(float(value), _DIGITS) for value in row]
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
