"""The outcome of one run, read from the ledger: the fate of every file, and the scores of the calls."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from services.common.events import ImageEvent, PhenotypeCall
from services.common.labels import LABEL_ORDER
from services.demo.cohort import ACCEPTED, GOOD, SENT_TWICE, SKIPPED, DemoPicture, DemoSubmission
from services.ledger.database import Connection
from services.ledger.queries import SpecimenHistory, specimen_history


@dataclass(frozen=True)
class LabelScore:
    """Score of one label over `specimens` specimens.

    `positives` have the label according to the truth, `called` according to their call, `true_positives` according to
    both. `agreement` is the share of specimens whose call equals the truth (0 to 1, NaN without specimens). `auc` is
    the area under the ROC curve of the consensus probability, None when all or no specimens have the label.
    """

    label: str
    specimens: int
    positives: int
    called: int
    true_positives: int
    agreement: float
    auc: float | None


@dataclass(frozen=True)
class CalledSpecimen:
    """One specimen's true labels (14 bits in the order of LABEL_ORDER) and its call."""

    truth: tuple[int, ...]
    abnormal_elsewhere: bool
    call: PhenotypeCall


def label_scores(specimens: Sequence[CalledSpecimen]) -> list[LabelScore]:
    """Score the calls against the truth, label by label.

    As in training, a specimen that is abnormal only elsewhere does not count for the thirteen labels.
    """
    return [
        _score(index, label, [one for one in specimens if index == 0 or not one.abnormal_elsewhere])
        for index, label in enumerate(LABEL_ORDER)
    ]


def auc(truth: Sequence[int], scores: Sequence[float]) -> float | None:
    """Return the area under the ROC curve: the chance that a positive scores above a negative; ties count half.

    None without positives or without negatives.
    """
    positive = [score for bit, score in zip(truth, scores, strict=True) if bit]
    negative = [score for bit, score in zip(truth, scores, strict=True) if not bit]
    if not positive or not negative:
        return None
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share (0 to 1) of the values does not exceed; NaN without values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _score(index: int, label: str, specimens: Sequence[CalledSpecimen]) -> LabelScore:
    truth = [one.truth[index] for one in specimens]
    called = [(int(one.call.abnormal), *one.call.vector)[index] for one in specimens]
    scores = [_probabilities(one.call)[index] for one in specimens]
    both = sum(t and c for t, c in zip(truth, called, strict=True))
    agreement = sum(t == c for t, c in zip(truth, called, strict=True)) / len(specimens) if specimens else math.nan
    return LabelScore(label, len(specimens), sum(truth), sum(called), both, agreement, auc(truth, scores))


def _probabilities(call: PhenotypeCall) -> tuple[float, ...]:
    return (call.consensus.level1, *call.consensus.level2, *call.consensus.level3)


@dataclass(frozen=True)
class DemoSpecimen:
    """One specimen of the run: its id, what was sent, and everything that the ledger holds about it."""

    biological_sample_id: str
    submission: DemoSubmission
    history: SpecimenHistory | None

    @property
    def call(self) -> PhenotypeCall | None:
        """The current call, if there is one."""
        return self.history.calls[0].call if self.history and self.history.calls else None

    @property
    def abstained(self) -> bool:
        """Whether the models did not call it."""
        state = self.history.state if self.history else None
        return state is not None and state.state == "abstained"

    def fate(self, picture: DemoPicture) -> str | None:
        """Return a file's rejection reason, `accepted` or `skipped`; None if the ledger has no outcome for it."""
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
    """The outcome of a whole run; `seconds` is the wall time of each part."""

    specimens: tuple[DemoSpecimen, ...]
    seconds: Mapping[str, float]

    @cached_property
    def missing(self) -> list[str]:
        """Specimens with a good DV and a good LAT, but neither a call nor an abstention."""
        expected = [one for one in self.specimens if one.submission.call_expected]
        return [one.biological_sample_id for one in expected if not (one.call or one.abstained)]

    @cached_property
    def called(self) -> list[CalledSpecimen]:
        """Every specimen that has a call."""
        return [
            CalledSpecimen(one.submission.truth, one.submission.abnormal_elsewhere, one.call)
            for one in self.specimens
            if one.call is not None
        ]

    @cached_property
    def fates(self) -> Counter[tuple[str, str]]:
        """Number of files by expected outcome and fate; a file sent twice counts once."""
        return Counter(
            (picture.expected, one.fate(picture) or "unknown")
            for one in self.specimens
            for picture in one.submission.pictures
            if picture.expected != SENT_TWICE
        )

    @property
    def good_files_rejected(self) -> int:
        """Number of good files that were rejected."""
        fine = {ACCEPTED, SKIPPED}
        return sum(n for (expected, fate), n in self.fates.items() if expected in GOOD and fate not in fine)

    def stages(self) -> dict[str, list[float]]:
        """Return the durations of each stage in seconds, one per view or call."""
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


def read_outcome(
    connection: Connection, ids: Mapping[str, DemoSubmission], seconds: Mapping[str, float]
) -> DemoOutcome:
    """Read everything that the ledger holds about the run's specimens; `ids` maps their ids to what was sent."""
    found: Sequence[DemoSpecimen] = [
        DemoSpecimen(name, submission, specimen_history(connection, name)) for name, submission in ids.items()
    ]
    return DemoOutcome(tuple(found), seconds)


def _announces(event: ImageEvent, picture: DemoPicture) -> bool:
    return (event.sha256, event.parameter_stable_id) == (picture.sha256, picture.parameter_stable_id)
