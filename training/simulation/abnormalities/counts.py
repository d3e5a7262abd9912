"""Counts of vertebrae, ribs and digits: two abnormalities may make up for each other."""

from __future__ import annotations

from typing import Final

from training.labels.curation.ranges import ANATOMICAL
from training.simulation.abnormalities.finding import parameter_id
from training.simulation.abnormalities.ribcage import COUNT as RIBS
from training.simulation.abnormalities.spine import COUNT as VERTEBRAE
from training.simulation.anatomy.plan import Plan

_DIGITS: Final = "028"


def counts(plan: Plan) -> dict[str, int]:
    """What a scorer would count, by parameter stable id: IMPC_XRY_008, 009, 013 to 017 and 028."""
    found = {number: len(plan.region(region)) for region, number in VERTEBRAE.items()}
    found |= {number: sum(rib.side == side for rib in plan.ribs) for side, number in RIBS.items()}
    found[_DIGITS] = sum(len(paw.digits) for paw in plan.paws.values())
    return {parameter_id(number): count for number, count in found.items()}


def normal_counts(plan: Plan) -> set[str]:
    """Parameter stable ids of the counts that lie in the anatomical range."""
    return {identifier for identifier, count in counts(plan).items() if ANATOMICAL[identifier].holds(count)}
