"""Labels that contradict the model that serves: a check of the labels themselves, before anything is trained on them.

The gate judges what was learnt; it cannot see that the evaluation specimens' own labels are wrong. The model that
serves can: where it discriminated well, it does not fall to half of that by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from services.registry.decision import Reason
from training.datasets.missing import Labels
from training.metrics.predictions import Numbers
from training.metrics.ranking import LEVEL_COLUMNS
from training.refresh.gate import LEVEL_NAMES, level_auc

_CHANCE: Final = 0.5
LEAST_SHARE: Final = 0.5
"""Of what the model discriminates beyond chance. Labels of which a quarter are flipped leave half of it."""

Expected = Mapping[str, float]
"""AUC by the names of `LEVEL_NAMES`."""


def expected_of(labels: Labels, served: Numbers) -> dict[str, float]:
    """AUC of each level on specimens whose labels are trusted; levels that cannot be judged are left out."""
    found = {LEVEL_NAMES[level]: level_auc(level, labels, served) for level in LEVEL_COLUMNS}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def contradictions(part: str, labels: Labels, served: Numbers, expected: Expected) -> list[Reason]:
    """Name the levels on which labels uint8 [n, 14] contradict what serves (probabilities [n, 14])."""
    found = expected_of(labels, served)
    return [
        Reason(reason="labels_contradict_model", words=_words(part, name, found[name], expected[name]))
        for name in LEVEL_NAMES.values()
        if name in found and name in expected and found[name] - _CHANCE < LEAST_SHARE * (expected[name] - _CHANCE)
    ]


def _words(part: str, name: str, found: float, expected: float) -> str:
    return (
        f"against the {part} labels the models that serve have {name} {found:.3f}, where {expected:.3f} was known of "
        "them: look for swapped or flipped labels; pass --trust-labels if the images are of a new kind"
    )
