"""Records for tests, and a shortcut through curation."""

from collections.abc import Iterable

from training.labels.curation import Curation, LabelSet, SpecimenLabels
from training.labels.sources import Item, ObservationRecord, SourceLocation


def record(
    parameter: str,
    value: str | None,
    specimen: str = "183808",
    *,
    centre: str | None = "JAX",
    strain: str | None = "C57BL/6NJ",
    group: str | None = "experimental",
    missing: str | None = None,
) -> ObservationRecord:
    """A record; `parameter` is a full id, or a number of IMPC_XRY_001 such as "056"."""
    identifier = f"IMPC_XRY_{parameter}_001" if parameter.isdigit() else parameter
    return ObservationRecord(specimen, centre, strain, group, identifier, value, missing, SourceLocation("test.csv", 2))


def wild_types(parameter: str, *values: str, strain: str = "C57BL/6NJ", centre: str = "JAX") -> list[ObservationRecord]:
    """One wild type for each value."""
    return [
        record(parameter, value, f"{centre}-{strain}-{number}", centre=centre, strain=strain, group="control")
        for number, value in enumerate(values)
    ]


def curate(items: Iterable[Item]) -> LabelSet:
    curation = Curation()
    for item in items:
        curation.add(item)
    return curation.finish()


def labels_of(items: Iterable[Item], specimen: str = "183808") -> SpecimenLabels:
    """The labels of one specimen of a set."""
    return next(one for one in curate(items).specimens if one.specimen_id == specimen)
