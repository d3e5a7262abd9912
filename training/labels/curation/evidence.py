"""All data sent about each specimen, and the reference ranges that follow from the wild types among them.

Everything is stored so that the order of records does not matter. Ranges are estimated per centre and strain after all
records have been read.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Final

from services.common.observations import observation
from training.labels.curation.ranges import ANATOMICAL, Range, estimate
from training.labels.curation.specimen import RangeKey
from training.labels.curation.verdict import is_measured, number, resolve
from training.labels.sources.record import ObservationRecord


@dataclass(slots=True)
class Evidence:
    """A specimen's centres, strains and groups as sent, and every distinct value sent for each parameter.

    `values` maps the full parameter id to the distinct values, sorted; `missing` maps it to the reasons for missing
    ones.
    """

    centres: set[str] = field(default_factory=set)
    strains: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def identify(self, record: ObservationRecord) -> None:
        """Add the centre, strain and group of a record."""
        for known, sent in ((self.centres, record.centre), (self.strains, record.strain), (self.groups, record.group)):
            if sent is not None:
                known.add(intern(sent))

    def add(self, record: ObservationRecord) -> None:
        """Add a record of one of the 53 observations."""
        parameter = intern(record.parameter_stable_id)
        if record.missing_reason is not None or record.value is None:
            _put(self.missing, parameter, record.missing_reason or "no value")
        else:
            _put(self.values, parameter, " ".join(record.value.split()))

    @property
    def identities(self) -> tuple[str, ...]:
        """Centre, strain or group with several different values; empty if all records describe one mouse."""
        named = {"centre": self.centres, "strain": self.strains, "group": self.groups}
        return tuple(f"{name}: {', '.join(sorted(sent))}" for name, sent in named.items() if len(sent) > 1)


def only(values: set[str]) -> str | None:
    """The single value of a set; None if it has none or several."""
    return next(iter(values)) if len(values) == 1 else None


def _put(kept: dict[str, tuple[str, ...]], parameter: str, text: str) -> None:
    known = kept.get(parameter, ())
    if text not in known:
        kept[parameter] = tuple(sorted((*known, intern(text))))


WILD_TYPE: Final = "control"


@dataclass(frozen=True, slots=True)
class References:
    """Estimated ranges, and the number of wild types where there are too few."""

    estimated: dict[RangeKey, Range]
    too_few: dict[RangeKey, int]

    def of(self, evidence: Evidence, parameter: str) -> Range | None:
        """The range for one specimen and observation: that of its centre and strain, otherwise the anatomical one."""
        centre, strain = only(evidence.centres), only(evidence.strains)
        if centre is not None and strain is not None:
            own = self.estimated.get(RangeKey(centre, strain, parameter))
            if own is not None:
                return own
        return ANATOMICAL.get(parameter)


def references(specimens: Iterable[Evidence]) -> References:
    """Estimate ranges from wild types with one centre, one strain and one value; their order does not matter."""
    values: defaultdict[RangeKey, list[float]] = defaultdict(list)
    for evidence in specimens:
        if only(evidence.groups) != WILD_TYPE:
            continue
        centre, strain = only(evidence.centres), only(evidence.strains)
        if centre is None or strain is None:
            continue
        for parameter, value in _measurements(evidence.values):
            values[RangeKey(centre, strain, parameter)].append(value)
    estimated = {key: estimate(sample) for key, sample in sorted(values.items())}
    return References(
        estimated={key: found for key, found in estimated.items() if found is not None},
        too_few={key: len(values[key]) for key, found in estimated.items() if found is None},
    )


def _measurements(values: Mapping[str, tuple[str, ...]]) -> Iterable[tuple[str, float]]:
    """One number per observation over all life stages; none if a wild type has several."""
    numbers: defaultdict[str, set[float]] = defaultdict(set)
    for identifier, sent in values.items():
        parameter, _ = resolve(identifier)
        if parameter is not None and is_measured(row := observation(parameter)):
            numbers[parameter].update(value for value in (number(row, text) for text in sent) if value is not None)
    for parameter, found in numbers.items():
        if len(found) == 1:
            yield parameter, found.pop()
