"""All data sent about one specimen, stored so that the order of records does not matter."""

from dataclasses import dataclass, field
from sys import intern

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
