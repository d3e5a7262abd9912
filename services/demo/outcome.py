"""What came out of one run, gathered from the ledger.

Figures of calls against truth; small and plain, no library.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from services.common.events import ImageEvent, PhenotypeCall
from services.common.labels import LABEL_ORDER
from services.demo.submissions import ACCEPTED, GOOD, SENT_TWICE, SKIPPED, DemoPicture, DemoSubmission
from services.ledger.database import Connection
from services.ledger.queries import SpecimenHistory, specimen_history


@dataclass(frozen=True)
class LabelScore:
    """One label over `specimens`: how many truly have it, how many were called, how many rightly so; AUC of the
    consensus probability, None when all or none have it.
    """

    label: str
    specimens: int
    truly: int
    called: int
    rightly: int
    agreement: float
    auc: float | None


@dataclass(frozen=True)
class JudgedSpecimen:
    """One specimen's truth (14 bits in the order of LABEL_ORDER) and its call."""

    truth: tuple[int, ...]
    abnormal_elsewhere: bool
    call: PhenotypeCall


def label_figures(judged: Sequence[JudgedSpecimen]) -> list[LabelScore]:
    """Compare calls with truth, label by label.

    A specimen that is abnormal elsewhere only is left out of the thirteen labels, as in training.
    """
    return [
        _figure(index, label, [one for one in judged if index == 0 or not one.abnormal_elsewhere])
        for index, label in enumerate(LABEL_ORDER)
    ]


def auc(truth: Sequence[int], scores: Sequence[float]) -> float | None:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""
    positive = [score for bit, score in zip(truth, scores, strict=True) if bit]
    negative = [score for bit, score in zip(truth, scores, strict=True) if not bit]
    if not positive or not negative:
        return None
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def quantile(values: Sequence[float], share: float) -> float:
    """Smallest value that at least this share of the values does not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _figure(index: int, label: str, judged: Sequence[JudgedSpecimen]) -> LabelScore:
    truth = [one.truth[index] for one in judged]
    called = [(int(one.call.abnormal), *one.call.vector)[index] for one in judged]
    scores = [_probabilities(one.call)[index] for one in judged]
    rightly = sum(t and c for t, c in zip(truth, called, strict=True))
    agreement = sum(t == c for t, c in zip(truth, called, strict=True)) / len(judged) if judged else math.nan
    return LabelScore(label, len(judged), sum(truth), sum(called), rightly, agreement, auc(truth, scores))


def _probabilities(call: PhenotypeCall) -> tuple[float, ...]:
    return (call.consensus.level1, *call.consensus.level2, *call.consensus.level3)


@dataclass(frozen=True)
class DemoSpecimen:
    """One specimen of the run: what was sent under which id, and all that the ledger holds of it."""

    biological_sample_id: str
    submission: DemoSubmission
    history: SpecimenHistory | None

    @property
    def call(self) -> PhenotypeCall | None:
        """The current call."""
        return self.history.calls[0].call if self.history and self.history.calls else None

    def fate(self, picture: DemoPicture) -> str | None:
        """Reason code of the refusal of a file, `accepted` or `skipped`; None when the ledger does not say."""
        if self.history is None:
            return None
        announced = [image for image in self.history.images if _announces(image.event, picture)]
        events = {image.event.event_id for image in announced}
        reasons = [one.reason for one in self.history.rejections if one.image_event_id in events]
        if reasons:
            return reasons[0]
        if any(image.kind == "other" for image in announced):
            return SKIPPED
        return ACCEPTED if any(view.image_sha256 == picture.sha256 for view in self.history.views) else None


@dataclass(frozen=True)
class DemoOutcome:
    """A run as a whole; `seconds` of wall time by part."""

    specimens: tuple[DemoSpecimen, ...]
    seconds: Mapping[str, float]

    @cached_property
    def missing(self) -> list[str]:
        """Specimens with a good DV and a good LAT, but no call."""
        return [one.biological_sample_id for one in self.specimens if one.submission.call_expected and not one.call]

    @cached_property
    def judged(self) -> list[JudgedSpecimen]:
        """Every call beside its truth."""
        return [
            JudgedSpecimen(one.submission.truth, one.submission.abnormal_elsewhere, one.call)
            for one in self.specimens
            if one.call is not None
        ]

    @cached_property
    def fates(self) -> Counter[tuple[str, str]]:
        """Files by what was expected and what became of them; a file sent twice counts once."""
        return Counter(
            (picture.expected, one.fate(picture) or "unknown")
            for one in self.specimens
            for picture in one.submission.pictures
            if picture.expected != SENT_TWICE
        )

    @property
    def wrongly_refused(self) -> int:
        """Good files that were refused."""
        fine = {ACCEPTED, SKIPPED}
        return sum(n for (expected, fate), n in self.fates.items() if expected in GOOD and fate not in fine)

    def stages(self) -> dict[str, list[float]]:
        """Seconds spent, by stage."""
        times: dict[str, list[float]] = {"image announced -> view": [], "last image -> call": [], "call -> row": []}
        for one in self.specimens:
            if one.history is None:
                continue
            for view in one.history.views:
                times["image announced -> view"].append((view.produced_at - view.announced_at).total_seconds())
            for record in one.history.calls:
                call = record.call
                times["last image -> call"].append((call.produced_at - call.announced_at).total_seconds())
                times["call -> row"].append((record.recorded_at - call.produced_at).total_seconds())
        return times


def gather(connection: Connection, ids: Mapping[str, DemoSubmission], seconds: Mapping[str, float]) -> DemoOutcome:
    """Read everything about the run's specimens."""
    found: Sequence[DemoSpecimen] = [
        DemoSpecimen(name, submission, specimen_history(connection, name)) for name, submission in ids.items()
    ]
    return DemoOutcome(tuple(found), seconds)


def _announces(event: ImageEvent, picture: DemoPicture) -> bool:
    return (event.sha256, event.parameter_stable_id) == (picture.sha256, picture.parameter_stable_id)
