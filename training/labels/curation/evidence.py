"""What has been sent about one specimen, kept so that the order of records cannot matter."""

from __future__ import annotations

from dataclasses import dataclass, field
from sys import intern

from training.labels.sources.record import ObservationRecord


@dataclass(slots=True)
class Evidence:
    """Who a specimen is said to be, and every different value sent for each parameter.

    `values` maps the full parameter id to the different values, sorted; `missing` to the reasons of missing ones.
    """

    centres: set[str] = field(default_factory=set)
    strains: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def identify(self, record: ObservationRecord) -> None:
        """Note what a record says about the specimen itself."""
        for known, said in ((self.centres, record.centre), (self.strains, record.strain), (self.groups, record.group)):
            if said is not None:
                known.add(intern(said))

    def add(self, record: ObservationRecord) -> None:
        """Note a record of one of the 53 observations."""
        parameter = intern(record.parameter_stable_id)
        if record.missing_reason is not None or record.value is None:
            _put(self.missing, parameter, record.missing_reason or "no value")
        else:
            _put(self.values, parameter, " ".join(record.value.split()))

    @property
    def identities(self) -> tuple[str, ...]:
        """What the specimen is said to be in several ways at once: none when it is one mouse."""
        named = {"centre": self.centres, "strain": self.strains, "group": self.groups}
        return tuple(f"{name}: {', '.join(sorted(said))}" for name, said in named.items() if len(said) > 1)


def only(said: set[str]) -> str | None:
    """The one thing that was said, or None when nothing or several things were."""
    return next(iter(said)) if len(said) == 1 else None


def _put(kept: dict[str, tuple[str, ...]], parameter: str, text: str) -> None:
    known = kept.get(parameter, ())
    if text not in known:
        kept[parameter] = tuple(sorted((*known, intern(text))))
