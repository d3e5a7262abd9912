"""What came out of one run, gathered from the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from services.common.events import ImageEvent, PhenotypeCall
from services.demo.figures import Judged
from services.demo.submissions import ACCEPTED, GOOD, SENT_TWICE, SKIPPED, Picture, Submission
from services.ledger.database import Connection
from services.ledger.queries import SpecimenHistory, specimen_history


@dataclass(frozen=True)
class Specimen:
    """One specimen of the run: what was sent under which id, and all that the ledger holds of it."""

    biological_sample_id: str
    submission: Submission
    history: SpecimenHistory | None

    @property
    def call(self) -> PhenotypeCall | None:
        """The current call."""
        return self.history.calls[0].call if self.history and self.history.calls else None

    def fate(self, picture: Picture) -> str | None:
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
class Outcome:
    """A run as a whole; `seconds` of wall time by part."""

    specimens: tuple[Specimen, ...]
    seconds: Mapping[str, float]

    @cached_property
    def missing(self) -> list[str]:
        """Specimens with a good DV and a good LAT, but no call."""
        return [one.biological_sample_id for one in self.specimens if one.submission.call_expected and not one.call]

    @cached_property
    def judged(self) -> list[Judged]:
        """Every call beside its truth."""
        return [
            Judged(one.submission.truth, one.submission.abnormal_elsewhere, one.call)
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


def gather(connection: Connection, ids: Mapping[str, Submission], seconds: Mapping[str, float]) -> Outcome:
    """Read everything about the run's specimens."""
    found: Sequence[Specimen] = [
        Specimen(name, submission, specimen_history(connection, name)) for name, submission in ids.items()
    ]
    return Outcome(tuple(found), seconds)


def _announces(event: ImageEvent, picture: Picture) -> bool:
    return (event.sha256, event.parameter_stable_id) == (picture.sha256, picture.parameter_stable_id)
