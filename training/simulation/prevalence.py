"""How many specimens are abnormal, and which findings occur together."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from training.simulation.abnormalities.catalogue import GROUP, WEIGHTS


@dataclass(frozen=True, slots=True)
class Prevalence:
    """How often specimens are abnormal, how many findings they then have, which ones and how severe.

    `abnormal` is the share of abnormal specimens. `findings` are the probabilities of one, two, three and so on in one
    abnormal specimen. `weights` are the relative frequencies of the kinds. Severities are uniform in `severity`.
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
"""For training: half of the mice are abnormal, mostly with one finding each. Kinds are drawn by the catalogue's WEIGHTS
(0.3 to 2), which do not follow the public record, so that every label has enough examples."""

PUBLIC: Final = Prevalence(
    abnormal=0.0305,
    findings=(0.08, 0.30, 0.36, 0.26),
    weights=weights_of_groups({"Spine": 0.68, "Whole-body": 0.165, "Ribcage": 0.09, "Limbs": 0.05, "Skull": 0.03}),
)
"""The public record that the paper uses (section 3.1): 1,651 of 54,046 specimens are abnormal; of these, Spine 93.1 %,
Whole-body 41.1 % and Ribcage 29.9 %. The shares of Limbs and Skull, which the paper does not give, are assumed."""

RECORD: Final = replace(PUBLIC, abnormal=0.5)
"""As PUBLIC, but half of the mice are abnormal, so that a few thousand contain enough of each label."""
