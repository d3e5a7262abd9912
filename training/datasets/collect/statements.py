"""What is said of a specimen's labels, and by whom: the one form of label sets, simulated truth and reviews."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.common.events import Verdict
from services.common.labels import LABEL_ORDER
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
