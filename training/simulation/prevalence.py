"""How many specimens are abnormal, and what they have together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from training.simulation.abnormalities.catalogue import GROUP, WEIGHTS


@dataclass(frozen=True, slots=True)
class Prevalence:
    """How often specimens are abnormal, how many findings they then have, which ones and how severe.

    `abnormal` is a share of specimens; `findings` the chances of one, two, three and so on, together in one specimen;
    `weights` how often each kind is drawn, relative to the others; severities are uniform in `severity`.
    """

    abnormal: float
    findings: tuple[float, ...]
    severity: tuple[float, float] = (0.4, 1.0)
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)


def weights_of_groups(shares: Mapping[str, float]) -> Mapping[str, float]:
    """Weights whose sum over the kinds of each level-2 class is the class's share; within a class as in WEIGHTS."""
    sums = {group: sum(WEIGHTS[kind] for kind in WEIGHTS if GROUP[kind] == group) for group in shares}
    return MappingProxyType({kind: WEIGHTS[kind] / sums[GROUP[kind]] * shares[GROUP[kind]] for kind in WEIGHTS})


BALANCED: Final = Prevalence(abnormal=0.5, findings=(0.6, 0.28, 0.12))
"""For training: half of the mice abnormal, rare kinds as frequent as common ones."""

PUBLIC: Final = Prevalence(
    abnormal=0.0305,
    findings=(0.08, 0.30, 0.36, 0.26),
    weights=weights_of_groups({"Spine": 0.68, "Whole-body": 0.165, "Ribcage": 0.09, "Limbs": 0.05, "Skull": 0.03}),
)
"""As in the public record that the paper uses (section 3.1): 1,651 of 54,046 specimens abnormal, among these Spine
93.1 %, Whole-body 41.1 % and Ribcage 29.9 %. The shares of Limbs and Skull, which the paper leaves out, are assumed."""

RECORD: Final = replace(PUBLIC, abnormal=0.5)
"""What occurs together as in the public record, in half of the mice: some thousand then hold enough of each label."""
