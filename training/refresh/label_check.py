"""A check of the labels themselves before training: do they contradict the models that serve?

The gate evaluates a candidate; it cannot see that the labels of the evaluation specimens are wrong. The models that
serve can: where they discriminated well, their AUC does not lose half of its distance from chance at random.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from services.common.model_card import ModelCard
from services.registry.decision import Reason
from training.datasets.arrays import Labels
from training.datasets.collect.dataset import Dataset
from training.metrics.predictions import Numbers
from training.metrics.ranking import LEVEL_COLUMNS
from training.refresh.gate import LEVEL_NAMES, active_prediction, level_auc, sample_specimens
from training.refresh.start import StartingPoint

CHECKED_SPECIMENS: Final = 1000
"""Number of training specimens whose labels are checked, drawn by the seed."""
_CHANCE: Final = 0.5
LEAST_SHARE: Final = 0.5
"""Least share of the models' AUC beyond chance that labels must confirm. With a quarter of the labels flipped, half is
left."""

Expected = Mapping[str, float]
"""AUC by the names of `LEVEL_NAMES`."""


def check_labels(dataset: Dataset, start: StartingPoint, seed: int, threads: int) -> dict[str, Any]:
    """Compare evaluation and training labels with the models that serve.

    Returns a record for the journal: `active`, their AUC by part and level, and `contradictions`, reasons as JSON.
    """
    learnt, judged = sample_specimens(dataset.subset("train"), CHECKED_SPECIMENS, seed), dataset.evaluation()
    training, evaluation = (active_prediction(start, subset, threads).served for subset in (learnt, judged))
    on_cards = _card_aucs(start.cards)
    known = level_aucs(judged.labels, evaluation)
    reasons = find_contradictions("evaluation", judged.labels, evaluation, on_cards)
    reasons += find_contradictions("training", learnt.labels, training, known)
    return {
        "active": {"training": level_aucs(learnt.labels, training), "evaluation": known, "card": on_cards},
        "contradictions": [reason.model_dump() for reason in reasons],
    }


def level_aucs(labels: Labels, served: Numbers) -> dict[str, float]:
    """Return the AUC of each level for labels uint8 [n, 14] and probabilities [n, 14]; without a value, none."""
    each = {LEVEL_NAMES[level]: level_auc(level, labels, served) for level in LEVEL_COLUMNS}
    return {name: value for name, value in each.items() if not math.isnan(value)}


def find_contradictions(part: str, labels: Labels, served: Numbers, expected: Expected) -> list[Reason]:
    """Return a reason for each level on which labels uint8 [n, 14] contradict the served probabilities [n, 14]."""
    found = level_aucs(labels, served)
    return [
        Reason(reason="labels_contradict_model", words=_message(part, name, found[name], expected[name]))
        for name in LEVEL_NAMES.values()
        if name in found and name in expected and found[name] - _CHANCE < LEAST_SHARE * (expected[name] - _CHANCE)
    ]


def _card_aucs(cards: Mapping[str, ModelCard]) -> dict[str, float]:
    """Return the smallest AUC on the cards, for each level that all of them give."""
    metrics = [card.metrics for card in cards.values()]
    return {
        name: min(one[name] for one in metrics) for name in LEVEL_NAMES.values() if all(name in one for one in metrics)
    }


def _message(part: str, name: str, found: float, expected: float) -> str:
    return (
        f"with the {part} labels the models that serve have {name} {found:.3f} instead of the known {expected:.3f}: "
        "look for swapped or flipped labels; pass --trust-labels if the images are of a new kind"
    )
