"""From what was said of a specimen to its labels: the newest verdict wins, the hierarchy holds.

What is said of a specimen's labels, and by whom: the one form of label sets, simulated truth and reviews.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.common.events import Verdict
from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL3, PARENTS, parents_of
from services.ledger.queries import ReviewRecord

Source = Literal["simulated", "label set", "review"]
"""In the order in which one overrules the other: truth of simulated mice, a curated label set, a curator's review."""
_SAID: Final[dict[int, Verdict]] = {0: "normal", 1: "abnormal"}


@dataclass(frozen=True)
class Statement:
    """One verdict on one label; `rank` orders statements, the highest counts.

    `who` is the curator, or the label set's digest; `review_id` is None where it was no review.
    """

    label: str
    verdict: Verdict
    source: Source
    who: str
    rank: tuple[int, datetime | None, str]
    review_id: str | None = None

    def words(self) -> str:
        """Say it, such as `abnormal (review by anna, 2026-03-01 12:00)`."""
        at = self.rank[1]
        by = f"{self.source} by {self.who}, {at:%Y-%m-%d %H:%M}" if at else f"{self.source} {self.who[:12]}"
        return f"{self.verdict} ({by})"


def of_labels(labels: Iterable[int | None], source: Source, who: str, place: int) -> list[Statement]:
    """Statements of 14 labels 0, 1 or None in the order of `LABEL_ORDER`; of several sets the one given last counts."""
    return [
        Statement(label, _SAID[value], source, who, (place, None, ""))
        for label, value in zip(LABEL_ORDER, labels, strict=True)
        if value is not None
    ]


def of_reviews(records: Iterable[ReviewRecord], place: int) -> Mapping[str, list[Statement]]:
    """Statements of reviews by specimen; `place` is above that of every set."""
    found: dict[str, list[Statement]] = {}
    for record in records:
        review = record.review
        rank = place, review.reviewed_at, record.review_id
        found.setdefault(review.biological_sample_id, []).extend(
            Statement(label, verdict, "review", review.who, rank, record.review_id)
            for label, verdict in review.verdicts.items()
        )
    return found


Kind = Literal["curators disagree", "review against set", "sets disagree", "hierarchy"]
"""`hierarchy`: two labels cannot both be as they were last said; the older verdict is dropped."""
IMPLIED: Final = "implied"
"""Source of a label that nobody stated but that another one needs, such as Spine where Shape is abnormal."""
_VALUES: Final = {"abnormal": 1, "normal": 0, "unknown": None}


@dataclass(frozen=True, order=True)
class StatementConflict:
    """Statements on one specimen that disagree: what counts and what was overruled, in words."""

    specimen: str
    label: str
    kind: Kind
    kept: str
    overruled: str


@dataclass(frozen=True)
class Labelled:
    """Labels 0, 1 or None of a specimen in the order of `LABEL_ORDER`, the source of each, and the reviews behind."""

    labels: tuple[int | None, ...]
    sources: tuple[str | None, ...]
    reviews: tuple[str, ...]
    conflicts: tuple[StatementConflict, ...]

    @property
    def abnormal_elsewhere(self) -> bool:
        """Whether it is abnormal and none of the thirteen: nothing that a model could learn lies in its labels."""
        return self.labels[0] == 1 and all(value == 0 for value in self.labels[1:])


def merge(specimen: str, statements: Iterable[Statement]) -> Labelled:
    """Decide each label by its newest statement; a label that nobody knows stays None."""
    by_label: dict[str, list[Statement]] = {}
    for statement in sorted(statements, key=_rank):
        by_label.setdefault(statement.label, []).append(statement)
    newest = {label: said[-1] for label, said in by_label.items()}
    conflicts = [one for label, said in by_label.items() for one in _disagreements(specimen, label, said)]
    dropped = [*_made_coherent(newest), *_without_support(newest, by_label)]
    conflicts += [StatementConflict(specimen, old.label, "hierarchy", _about(new), _about(old)) for old, new in dropped]
    implied = _implied(newest)
    values = {label: _VALUES[said.verdict] for label, said in newest.items()} | dict.fromkeys(implied, 1)
    sources = {label: said.source for label, said in newest.items()} | dict.fromkeys(implied, IMPLIED)
    labels = tuple(values.get(label) for label in LABEL_ORDER)
    return Labelled(
        labels=labels,
        sources=tuple(None if values.get(label) is None else sources[label] for label in LABEL_ORDER),
        reviews=tuple(sorted({said.review_id for said in newest.values() if said.review_id})),
        conflicts=tuple(sorted(conflicts)),
    )


def _rank(statement: Statement) -> tuple[int, float, str]:
    place, at, name = statement.rank
    return place, at.timestamp() if at else 0.0, name


def _about(statement: Statement) -> str:
    return f"{statement.label} {statement.words()}"


def _disagreements(specimen: str, label: str, said: Sequence[Statement]) -> list[StatementConflict]:
    """Compare the last word of each curator and set with the one that counts; who changes his mind disagrees not."""
    last_words = {(one.source, one.who): one for one in said}
    kept = said[-1]
    return [
        StatementConflict(specimen, label, _kind(kept, other), kept.words(), other.words())
        for other in last_words.values()
        if other.verdict != kept.verdict
    ]


def _kind(kept: Statement, other: Statement) -> Kind:
    if kept.source != "review":
        return "sets disagree"
    return "curators disagree" if other.source == "review" else "review against set"


def _made_coherent(newest: dict[str, Statement]) -> list[tuple[Statement, Statement]]:
    """Drop the oldest of statements that cannot all be true, until they can; returns them beside what outlived them."""
    dropped = []
    while group := sorted(_contradicting(newest), key=_rank):
        # Of equally old ones nobody knows which is wrong.
        oldest = [one for one in group[:-1] if _rank(one) == _rank(group[0])]
        for one in oldest:
            del newest[one.label]
        dropped += [(one, group[-1]) for one in oldest]
    return dropped


def _without_support(
    newest: dict[str, Statement], said: Mapping[str, Sequence[Statement]]
) -> list[tuple[Statement, Statement]]:
    """Drop a set's word that an animal is abnormal where reviews have overruled all that it rested on."""
    level1 = newest.get(LABEL_ORDER[0])
    if level1 is None or level1.verdict != "abnormal" or level1.source == "review":
        return []
    found = [label for label in CALL_LABELS if any(one.verdict == "abnormal" for one in said.get(label, ()))]
    still = [label for label in found if label in newest and newest[label].verdict == "abnormal"]
    if still or not found:
        return []
    del newest[LABEL_ORDER[0]]
    youngest = max((one for label in said for one in said[label]), key=_rank)
    return [(level1, youngest)]


def _contradicting(newest: Mapping[str, Statement]) -> list[Statement]:
    """Return an abnormal label's statement with those that deny it, or nothing; as `labels.contradiction`."""
    normal = {label for label, said in newest.items() if said.verdict == "normal"}
    for label in CALL_LABELS:
        if label not in newest or newest[label].verdict != "abnormal":
            continue
        for above in (LABEL_ORDER[:1], parents_of(label)):
            if normal.issuperset(above):
                return [newest[label], *(newest[parent] for parent in above)]
    return []


def _implied(newest: Mapping[str, Statement]) -> list[str]:
    """Return labels that must be abnormal since others are; what somebody withdrew stays unknown."""
    verdicts = {label: statement.verdict for label, statement in newest.items()}
    implied = []
    for label in LEVEL3:
        if verdicts.get(label) == "abnormal":
            possible = [parent for parent in PARENTS[label] if verdicts.get(parent) != "normal"]
            implied += [parent for parent in possible if len(possible) == 1 and parent not in verdicts]
    if "abnormal" in verdicts.values() and LABEL_ORDER[0] not in verdicts:
        implied.append(LABEL_ORDER[0])
    return implied
