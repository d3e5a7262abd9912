"""Merges the statements on a specimen into its labels: the newest verdict wins, and the hierarchy is kept.

Statements are the common form of label sets, simulated truth and reviews.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.common.events import Verdict
from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL3, PARENTS, parents_of
from services.ledger.queries import ReviewRecord

Source = Literal["simulated", "label set", "review"]
"""By rising precedence: truth of simulated mice, a curated label set, a curator's review."""
_VERDICTS: Final[dict[int, Verdict]] = {0: "normal", 1: "abnormal"}


@dataclass(frozen=True)
class Statement:
    """One verdict on one label; the statement with the highest `rank` counts.

    `who` is the curator, or the label set's digest; `review_id` is None unless it is a review.
    """

    label: str
    verdict: Verdict
    source: Source
    who: str
    rank: tuple[int, datetime | None, str]
    review_id: str | None = None

    def text(self) -> str:
        """Display text, such as `abnormal (review by anna, 2026-03-01 12:00)`."""
        at = self.rank[1]
        by = f"{self.source} by {self.who}, {at:%Y-%m-%d %H:%M}" if at else f"{self.source} {self.who[:12]}"
        return f"{self.verdict} ({by})"


def of_labels(labels: Iterable[int | None], source: Source, who: str, position: int) -> list[Statement]:
    """Statements of 14 labels 0, 1 or None in the order of `LABEL_ORDER`; the last set given takes precedence."""
    return [
        Statement(label, _VERDICTS[value], source, who, (position, None, ""))
        for label, value in zip(LABEL_ORDER, labels, strict=True)
        if value is not None
    ]


def of_reviews(records: Iterable[ReviewRecord], position: int) -> Mapping[str, list[Statement]]:
    """Statements of reviews by specimen; `position` is above that of every set."""
    found: dict[str, list[Statement]] = {}
    for record in records:
        review = record.review
        rank = position, review.reviewed_at, record.review_id
        found.setdefault(review.biological_sample_id, []).extend(
            Statement(label, verdict, "review", review.who, rank, record.review_id)
            for label, verdict in review.verdicts.items()
        )
    return found


Kind = Literal["curators disagree", "review against set", "sets disagree", "hierarchy"]
"""`hierarchy`: the latest verdicts on two labels contradict each other; the older one is dropped."""
IMPLIED: Final = "implied"
"""Source of a label without a statement that another label requires, such as Spine if Shape is abnormal."""
_VALUES: Final = {"abnormal": 1, "normal": 0, "unknown": None}


@dataclass(frozen=True, order=True)
class StatementConflict:
    """Statements on one specimen that disagree, as text: the one that counts and the one that is overruled."""

    specimen: str
    label: str
    kind: Kind
    kept: str
    overruled: str


@dataclass(frozen=True)
class Labelled:
    """Labels 0, 1 or None of a specimen in the order of `LABEL_ORDER`, the source of each, and the reviews used."""

    labels: tuple[int | None, ...]
    sources: tuple[str | None, ...]
    reviews: tuple[str, ...]
    conflicts: tuple[StatementConflict, ...]

    @property
    def abnormal_elsewhere(self) -> bool:
        """Whether it is abnormal but in none of the thirteen labels, so that a model cannot learn from it."""
        return self.labels[0] == 1 and all(value == 0 for value in self.labels[1:])


def merge(specimen: str, statements: Iterable[Statement]) -> Labelled:
    """Decide each label by its newest statement; a label without a statement stays None."""
    by_label: dict[str, list[Statement]] = {}
    for statement in sorted(statements, key=_rank):
        by_label.setdefault(statement.label, []).append(statement)
    newest = {label: given[-1] for label, given in by_label.items()}
    conflicts = [one for label, given in by_label.items() for one in _disagreements(specimen, label, given)]
    dropped = [*_made_coherent(newest), *_without_support(newest, by_label)]
    conflicts += [StatementConflict(specimen, old.label, "hierarchy", _about(new), _about(old)) for old, new in dropped]
    implied = _implied(newest)
    values = {label: _VALUES[given.verdict] for label, given in newest.items()} | dict.fromkeys(implied, 1)
    sources = {label: given.source for label, given in newest.items()} | dict.fromkeys(implied, IMPLIED)
    labels = tuple(values.get(label) for label in LABEL_ORDER)
    return Labelled(
        labels=labels,
        sources=tuple(None if values.get(label) is None else sources[label] for label in LABEL_ORDER),
        reviews=tuple(sorted({given.review_id for given in newest.values() if given.review_id})),
        conflicts=tuple(sorted(conflicts)),
    )


def _rank(statement: Statement) -> tuple[int, float, str]:
    position, at, name = statement.rank
    return position, at.timestamp() if at else 0.0, name


def _about(statement: Statement) -> str:
    return f"{statement.label} {statement.text()}"


def _disagreements(specimen: str, label: str, given: Sequence[Statement]) -> list[StatementConflict]:
    """Compare the latest statement of each curator and set with the one that counts; earlier ones are ignored."""
    latest = {(one.source, one.who): one for one in given}
    kept = given[-1]
    return [
        StatementConflict(specimen, label, _kind(kept, other), kept.text(), other.text())
        for other in latest.values()
        if other.verdict != kept.verdict
    ]


def _kind(kept: Statement, other: Statement) -> Kind:
    if kept.source != "review":
        return "sets disagree"
    return "curators disagree" if other.source == "review" else "review against set"


def _made_coherent(newest: dict[str, Statement]) -> list[tuple[Statement, Statement]]:
    """Drop the oldest of contradicting statements until none contradict; return each with the newest of its group."""
    dropped = []
    while group := sorted(_contradicting(newest), key=_rank):
        # Of equally old ones it is unknown which is wrong, so all are dropped.
        oldest = [one for one in group[:-1] if _rank(one) == _rank(group[0])]
        for one in oldest:
            del newest[one.label]
        dropped += [(one, group[-1]) for one in oldest]
    return dropped


def _without_support(
    newest: dict[str, Statement], given: Mapping[str, Sequence[Statement]]
) -> list[tuple[Statement, Statement]]:
    """Drop a set's verdict that an animal is abnormal if reviews have overruled all labels behind it."""
    level1 = newest.get(LABEL_ORDER[0])
    if level1 is None or level1.verdict != "abnormal" or level1.source == "review":
        return []
    found = [label for label in CALL_LABELS if any(one.verdict == "abnormal" for one in given.get(label, ()))]
    still = [label for label in found if label in newest and newest[label].verdict == "abnormal"]
    if still or not found:
        return []
    del newest[LABEL_ORDER[0]]
    newest_of_all = max((one for label in given for one in given[label]), key=_rank)
    return [(level1, newest_of_all)]


def _contradicting(newest: Mapping[str, Statement]) -> list[Statement]:
    """Return an abnormal label's statement with those that contradict it, or nothing."""
    normal = {label for label, given in newest.items() if given.verdict == "normal"}
    for label in CALL_LABELS:
        if label not in newest or newest[label].verdict != "abnormal":
            continue
        for above in (LABEL_ORDER[:1], parents_of(label)):
            if normal.issuperset(above):
                return [newest[label], *(newest[parent] for parent in above)]
    return []


def _implied(newest: Mapping[str, Statement]) -> list[str]:
    """Return labels that must be abnormal because others are; a withdrawn label stays unknown."""
    verdicts = {label: statement.verdict for label, statement in newest.items()}
    implied = []
    for label in LEVEL3:
        if verdicts.get(label) == "abnormal":
            possible = [parent for parent in PARENTS[label] if verdicts.get(parent) != "normal"]
            implied += [parent for parent in possible if len(possible) == 1 and parent not in verdicts]
    if "abnormal" in verdicts.values() and LABEL_ORDER[0] not in verdicts:
        implied.append(LABEL_ORDER[0])
    return implied
