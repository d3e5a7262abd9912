"""Classes of the free ontology row: those that the table gives to the same Mammalian Phenotype (MP) term."""

from __future__ import annotations

from functools import cache

from services.common.labels import CALL_LABELS, LEVEL2
from services.common.observations import Observation, table


@cache
def labels_of_term(term: str) -> frozenset[str]:
    """Labels of the 1x13 call that a term sets: those on which all rows of the table with that term agree.

    Rows that disagree give only what they share (MP:0004599, abnormal vertebral arch, is Spine and no level-3
    class). A term outside the table, or of Limbs and Skull, sets none: it counts for level 1 alone.
    """
    classes = [{row.level2, row.level3} for row in _rows_with(term)]
    if not classes:
        return frozenset()
    shared = {label for label in set.intersection(*classes) if label is not None}
    return frozenset(shared & set(CALL_LABELS)) if shared & set(LEVEL2) else frozenset()


@cache
def labels_left_open(term: str) -> frozenset[str]:
    """Labels of the 1x13 call that a term may mean but does not set.

    Those of some of the rows with that term (MP:0004599: every region of the spine); of a term outside the table all,
    since nothing says what it is; of Limbs and Skull none.
    """
    rows = _rows_with(term)
    if not rows:
        return frozenset(CALL_LABELS)
    possible = {label for row in rows if row.in_call for label in (row.level2, row.level3) if label is not None}
    return frozenset(possible - labels_of_term(term))


def _rows_with(term: str) -> list[Observation]:
    return [row for row in table() if any(mp.split()[0] == term for mp in row.mp)]
