"""Which score beyond which limit refuses a picture, and with what reason code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from services.common.errors import Rejected
from services.intake.limits import Limits


@dataclass(frozen=True)
class Rule:
    """Refuse with `reason` when `score` is below (or above) the field `limit` of Limits."""

    reason: str
    score: str
    side: Literal["below", "above"]
    limit: str
    words: str

    def broken(self, scores: Mapping[str, float], limits: Limits) -> bool:
        """Tell whether the picture breaks this rule."""
        value, limit = scores[self.score], float(getattr(limits, self.limit))
        return value < limit if self.side == "below" else value > limit


PICTURE_RULES: Final = (
    Rule("blank", "stored_range", "below", "least_stored_range", "the stored values hardly differ"),
    Rule("blank", "outline", "below", "least_outline", "what stands out has no outline"),
    Rule("low_contrast", "contrast", "below", "least_contrast", "the animal hardly differs from the background"),
    Rule("over_exposed", "saturated", "above", "most_saturated", "most of the animal is at the end of the scale"),
    Rule("over_exposed", "tissue_contrast", "below", "least_tissue_contrast", "the animal is a silhouette"),
    Rule("under_exposed", "signal_to_noise", "below", "least_signal_to_noise", "the animal is lost in noise"),
    Rule("sharp_steps", "step", "above", "most_step", "the brightness jumps between lines"),
    Rule("several_animals", "animals", "above", "most_animals", "more than one animal"),
    Rule(
        "not_whole_body", "touching", "above", "most_touching_whole_body", "much of the animal is outside the picture"
    ),
)
"""Judged before the view is known: they hold for any X-ray."""
FRAMING_RULES: Final = (
    Rule("cut_off", "touching", "above", "most_touching", "the animal reaches beyond the picture"),
    Rule("animal_too_small", "animal_side", "below", "least_animal_side", "too few pixels across the animal"),
    Rule("body_angle", "body_angle", "above", "most_body_angle", "the animal lies too far from upright"),
)
"""Judged once the picture is known to be no close-up."""


def check(rules: tuple[Rule, ...], scores: Mapping[str, float], limits: Limits) -> None:
    """Raise Rejected for the first broken rule, with the score and its limit in the details."""
    for rule in rules:
        if rule.broken(scores, limits):
            value, limit = round(scores[rule.score], 4), float(getattr(limits, rule.limit))
            raise Rejected(rule.reason, rule.words, score=rule.score, value=value, limit=limit)
