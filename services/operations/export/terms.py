"""What a label of the call can stand for: IMPReSS parameters and Mammalian Phenotype (MP) terms of the label map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from services.common.labels import CALL_LABELS
from services.common.observations import table


@dataclass(frozen=True)
class Meaning:
    """Parameters and terms behind one label, each once, in the order of the label map.

    A call names the label, not the observation behind it, so with several terms it is one of them.
    """

    parameter_stable_ids: tuple[str, ...]
    mp_term_ids: tuple[str, ...]
    mp_term_names: tuple[str, ...]


@cache
def meanings() -> dict[str, Meaning]:
    """Return the meaning of each of the thirteen labels."""
    return {label: _meaning(label) for label in CALL_LABELS}


def _meaning(label: str) -> Meaning:
    rows = [row for row in table() if row.in_call and label in {row.level2, row.level3}]
    terms = dict(term.split(" ", 1) for row in rows for term in row.mp)
    return Meaning(tuple(row.parameter_stable_id for row in rows), tuple(terms), tuple(terms.values()))
