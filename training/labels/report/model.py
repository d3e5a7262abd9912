"""The contents of a label report; its fields are those of `report.json`."""

from pydantic import BaseModel

from training.labels.curation.specimen import Conflict


class ReportSource(BaseModel):
    """One file that was read: its name, the SHA-256 of its bytes, and its number of entries."""

    file: str
    sha256: str
    entries: int


class CentreCounts(BaseModel):
    """Specimens of one centre; `labels` counts the used abnormal ones by label."""

    specimens: int = 0
    wild_types: int = 0
    normal: int = 0
    abnormal: int = 0
    excluded: dict[str, int] = {}
    labels: dict[str, int] = {}


class LabelCounts(BaseModel):
    """Used specimens that are abnormal for a label, and those for which it is known."""

    abnormal: int
    scored: int


class ParameterCounts(BaseModel):
    """Specimens by state of one of the 53 observations; `not_sent` counts those without an entry."""

    name: str
    normal: int
    abnormal: int
    missing: int
    unreadable: int
    conflict: int
    not_sent: int


class Ignored(BaseModel):
    """Records outside the 53 observations for one reason, and their most frequent parameters."""

    records: int
    parameters: dict[str, int]


class SkippedEntries(BaseModel):
    """Entries without an observation of a specimen, with the location and message of the first one."""

    reason: str
    entries: int
    first: str
    message: str


class UnreadableValue(BaseModel):
    """A value that is not an option of its parameter, and the number of specimens with it."""

    centre: str
    parameter: str
    value: str
    specimens: int


class ReferenceRange(BaseModel):
    """The normal values of a measured parameter for one centre and strain, both ends included."""

    centre: str
    strain: str
    parameter: str
    low: float
    high: float
    wild_types: int


class TooFewWildTypes(BaseModel):
    """A centre and strain with too few wild types, for which the anatomical range is used."""

    centre: str
    strain: str
    parameter: str
    wild_types: int


class LabelReport(BaseModel):
    """A label set in figures. `digest` is the SHA-256 of `labels.csv`: the version of the label set."""

    digest: str
    label_map_digest: str
    sources: list[ReportSource]
    records: int
    specimens: int
    normal: int
    abnormal: int
    excluded: dict[str, int]
    centres: dict[str, CentreCounts]
    labels: dict[str, LabelCounts]
    parameters: dict[str, ParameterCounts]
    missing_reasons: dict[str, int]
    ignored: dict[str, Ignored]
    skipped: list[SkippedEntries]
    unreadable_values: list[UnreadableValue]
    conflicts: list[Conflict]
    ranges: list[ReferenceRange]
    too_few_wild_types: list[TooFewWildTypes]
