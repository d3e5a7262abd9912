"""Judges one value: to which observation it belongs, and whether it is normal, abnormal, missing or unreadable.

Parameter stable ids are mapped to the 53 observations by the full id, never by its number alone. Mammalian Phenotype
(MP) terms of free ontology are mapped to labels. Nothing is guessed.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Final

from services.common.labels import CALL_LABELS, LEVEL2
from services.common.observations import Observation, by_parameter, observation, table
from training.labels.curation.ranges import Range


@cache
def labels_of_term(term: str) -> frozenset[str]:
    """Labels of the 1x13 call that a term sets: those on which all rows of the table with that term agree.

    Rows that differ give only what they share (MP:0004599, abnormal vertebral arch, gives Spine and no level-3
    label). A term outside the table, or of Limbs or Skull, sets none: it counts only for level 1.
    """
    classes = [{row.level2, row.level3} for row in _rows_with(term)]
    if not classes:
        return frozenset()
    shared = {label for label in set.intersection(*classes) if label is not None}
    return frozenset(shared & set(CALL_LABELS)) if shared & set(LEVEL2) else frozenset()


@cache
def labels_left_open(term: str) -> frozenset[str]:
    """Labels of the 1x13 call that a term may mean but does not set.

    These are the labels of only some rows with that term (MP:0004599: every region of the spine). A term outside the
    table may mean any label; a term of Limbs or Skull none.
    """
    rows = _rows_with(term)
    if not rows:
        return frozenset(CALL_LABELS)
    possible = {label for row in rows if row.in_call for label in (row.level2, row.level3) if label is not None}
    return frozenset(possible - labels_of_term(term))


def _rows_with(term: str) -> list[Observation]:
    return [row for row in table() if any(mp.split()[0] == term for mp in row.mp)]


LEGACY: Final = ("HAS_XRY_", "ESLIM_006_", "GMC_925_", "HAROLD_006_", "M-G-P_006_")
"""Older X-ray procedures, which use the same numbers (and some names) with other meanings and options."""
LATE_ADULT: Final = re.compile(r"[A-Z]+LA_(XRY_\d{3}_\d{3})")
"""A centre's late adult procedure copies numbers, names and options of IMPC_XRY."""
ANOTHER_SET: Final = re.compile(r"[A-Z]+_XRY_\d{3}_\d{3}")


@lru_cache(maxsize=4096)
def resolve(parameter_stable_id: str) -> tuple[str | None, str]:
    """The observation that a full id stands for, or None with the reason.

    Reasons: `legacy_parameter_set`; `not_an_observation` (images, metadata, `Alive`, comments); `unknown_parameter` (no
    such number or version in IMPC_XRY_001); `unmapped_parameter_set` (another X-ray procedure, such as CCP's, which is
    derived from micro-CT); `another_procedure`. The reason is empty if there is an observation.
    """
    identifier = parameter_stable_id
    late = LATE_ADULT.fullmatch(identifier)
    base = f"IMPC_{late[1]}" if late else identifier
    if base in by_parameter():
        return base, ""
    if base.startswith("IMPC_XRY_"):
        return None, "not_an_observation" if _exists(base) else "unknown_parameter"
    if identifier.startswith(LEGACY):
        return None, "legacy_parameter_set"
    return None, "unmapped_parameter_set" if ANOTHER_SET.fullmatch(identifier) else "another_procedure"


def _exists(base: str) -> bool:
    """IMPC_XRY_001 has the parameters 001 to 074, all in their first version."""
    match = re.fullmatch(r"IMPC_XRY_(\d{3})_001", base)
    return match is not None and 1 <= int(match[1]) <= 74


MISSING: Final = frozenset({"imageonly", "unobservable", "nodata", "notdefined"})
"""Codes that mean "not scored" in any parameter, also in counts; compared without case, blanks, `_` and `-`."""
NUMBER: Final = re.compile(r"\d+(\.\d+)?")
MP_TERM: Final = re.compile(r"\bMP:\d{7}\b")
NO_ABNORMAL_PHENOTYPE: Final = frozenset({"MP:0002169", "MP:0002873"})
"""The terms "no abnormal phenotype detected" and "normal phenotype"."""
NO_ANALYSIS: Final = "MP:0003012"
"""The term "no phenotypic analysis"."""


class Verdict(StrEnum):
    """The meaning of a value for one observation."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class JudgedObservation:
    """A verdict; `reason` is why a value is missing or unreadable, `terms` are the MP terms of free ontology."""

    verdict: Verdict
    reason: str = ""
    terms: tuple[str, ...] = ()


def is_measured(row: Observation) -> bool:
    """Whether a reference range judges the row: counts and the length of the tibia."""
    return row.value_type in {"INT", "FLOAT"}


@lru_cache(maxsize=65_536)
def judge(parameter_stable_id: str, value: str | None, reference: Range | None) -> JudgedObservation:
    """The verdict on one value of one of the 53 observations.

    `reference` is the range of counts and lengths (without one, the value counts as missing); other rows do not use it.
    A value that is not an option of the row is unreadable: it is reported and never treated as normal.
    """
    row = observation(parameter_stable_id)
    text = " ".join(value.split()) if value else ""
    if not text or _bare(text) in MISSING:
        return JudgedObservation(Verdict.MISSING, text or "no value")
    if is_measured(row):
        return _measurement(row, text, reference)
    return _ontology(text) if row.value_type == "TEXT" else _option(row, text)


def number(row: Observation, text: str) -> float | None:
    """The number in a count (a whole number, at most 200) or a length (above 0); None if it is neither."""
    if len(text) > 20 or not NUMBER.fullmatch(text.strip()):
        return None
    value = float(text)
    if row.value_type == "INT":
        return value if value.is_integer() and value <= 200 else None
    return value if value > 0 else None


def _measurement(row: Observation, text: str, reference: Range | None) -> JudgedObservation:
    value = number(row, text)
    if value is None:
        kind = "a count" if row.value_type == "INT" else "a length"
        return JudgedObservation(Verdict.UNREADABLE, f"not {kind}")
    if reference is None:
        return JudgedObservation(Verdict.MISSING, "no reference range")
    return JudgedObservation(Verdict.NORMAL if reference.holds(value) else Verdict.ABNORMAL)


def _ontology(text: str) -> JudgedObservation:
    terms = tuple(sorted(set(MP_TERM.findall(text))))
    abnormal = tuple(term for term in terms if term != NO_ANALYSIS and term not in NO_ABNORMAL_PHENOTYPE)
    if abnormal:
        return JudgedObservation(Verdict.ABNORMAL, terms=abnormal)
    if not terms:
        return JudgedObservation(Verdict.UNREADABLE, "no MP term")
    return (
        JudgedObservation(Verdict.MISSING, "no phenotypic analysis")
        if NO_ANALYSIS in terms
        else JudgedObservation(Verdict.NORMAL)
    )


def _option(row: Observation, text: str) -> JudgedObservation:
    option = text.casefold()
    if option == row.normal.casefold():
        return JudgedObservation(Verdict.NORMAL)
    if option == row.abnormal.casefold():
        return JudgedObservation(Verdict.ABNORMAL)
    return JudgedObservation(Verdict.UNREADABLE, "not an option")


def _bare(text: str) -> str:
    return re.sub(r"[\s_-]", "", text).casefold()
