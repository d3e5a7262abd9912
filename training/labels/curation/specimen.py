"""The labels of one specimen, and the label set with its tallies."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from training.labels.curation.ranges import Range
from training.labels.sources.record import SourceLocation


class Exclusion(StrEnum):
    """Why a specimen is left out of training and scoring."""

    IDENTITY = "identity_conflict"
    """One id stands for several mice: its records name several centres, strains or groups."""
    CONFLICT = "conflicting_records"
    """A parameter was sent as normal and as abnormal; excluded until the centre resolves it."""
    NOTHING_SCORED = "nothing_scored"
    """None of the 53 observations has a value: neither normal nor abnormal."""
    UNREADABLE = "unreadable_value"
    """Nothing is abnormal, but a value could not be read and may mean abnormal."""
    ELSEWHERE = "abnormal_elsewhere"
    """Abnormal only outside the thirteen labels (Limbs, Skull, other MP terms); published, not trained on."""


class Disagreement(StrEnum):
    """How records of one specimen disagree."""

    IDENTITY = "identity"
    VERDICTS = "verdicts"
    """One parameter, normal and abnormal: no label, the specimen is excluded."""
    VALUES = "values"
    """One parameter, different values with the same verdict (12 and 14 ribs): the label stands."""
    LIFE_STAGES = "life_stages"
    """Normal as early adult and abnormal as late adult, or the reverse: the labels are the union."""


@dataclass(frozen=True, slots=True, order=True)
class Conflict:
    """Records of one specimen that disagree; `parameter` is empty for the specimen's identity."""

    kind: Disagreement
    centre: str
    specimen_id: str
    parameter: str
    sent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpecimenLabels:
    """The labels of one specimen.

    `level1` is 1 for abnormal, 0 for normal, None if it cannot be determined. `call` has 13 entries 0/1 in the order of
    CALL_LABELS. `scored` is whether each is known: it is set, or an observation behind it was scored normal
    and no unreadable value or term may mean it. `abnormal` has the abnormal observations among the 53, sorted.
    """

    specimen_id: str
    centre: str | None
    strain: str | None
    group: str | None
    level1: int | None
    call: tuple[int, ...]
    scored: tuple[bool, ...]
    abnormal: tuple[str, ...]
    exclusion: Exclusion | None


@dataclass(frozen=True, slots=True, order=True)
class RangeKey:
    """A reference range applies to one centre, strain and parameter."""

    centre: str
    strain: str
    parameter: str


@dataclass(slots=True)
class Tallies:
    """Counts that do not depend on the order of records."""

    records: int = 0
    ignored: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Records by (reason, parameter stable id)."""
    skipped: Counter[str] = field(default_factory=Counter)
    skipped_first: dict[str, tuple[SourceLocation, str]] = field(default_factory=dict)
    """First location (by file and line) and message of each reason."""
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Specimens by (observation, state): normal, abnormal, missing, unreadable, conflict."""
    missing: Counter[str] = field(default_factory=Counter)
    """Observations that were sent as missing, by reason."""
    unreadable: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Specimens with an unreadable value, by (centre, parameter, value)."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of all specimens, sorted by id, with the conflicts, ranges and tallies behind them."""

    specimens: tuple[SpecimenLabels, ...]
    conflicts: tuple[Conflict, ...]
    ranges: dict[RangeKey, Range]
    too_few: dict[RangeKey, int]
    """Number of wild types of centres and strains with too few for their own range."""
    tallies: Tallies
