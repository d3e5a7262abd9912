"""Judges one value: normal, abnormal, missing or unreadable. Nothing is guessed."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from services.common.observations import Observation, observation
from training.labels.curation.ranges import Range

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
