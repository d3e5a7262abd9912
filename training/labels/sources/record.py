"""What every reader returns: one observation of one specimen, or a note of why an entry has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.ingest.submissions import missing_reason, specimen_id

VALUE_FIELDS: Final = ("category", "data_point", "text_value", "sub_term_id", "value")
"""Fields that may hold the value; the first one that is not empty is used (`value` is for hand-made CSV)."""
SPECIMEN_FIELDS: Final = ("biological_sample_id", "specimen_id", "external_sample_id")


def item_of(fields: Mapping[str, object], location: SourceLocation) -> Item:
    """The record of a Solr document or CSV row; absent and null fields are equal. Skipped if it names no specimen."""
    parameter = _text(fields.get("parameter_stable_id"))
    if parameter is None:
        return Skipped("no_parameter", "the entry has no parameter_stable_id", location)
    centre = _text(fields.get("phenotyping_center"))
    sample, specimen, external = (_text(fields.get(name)) for name in SPECIMEN_FIELDS)
    identifier = specimen_id(sample, specimen, centre, external)
    if identifier is None:
        message = "give biological_sample_id, or specimen_id, or phenotyping_center with external_sample_id"
        return Skipped("no_specimen", message, location)
    value = next((text for text in (_text(fields.get(name)) for name in VALUE_FIELDS) if text is not None), None)
    group = _text(fields.get("biological_sample_group"))
    return ObservationRecord(
        specimen_id=identifier,
        centre=centre,
        strain=_text(fields.get("strain_name")),
        group=group.casefold() if group else None,
        parameter_stable_id=parameter,
        value=value,
        missing_reason=missing_reason(_text(fields.get("parameter_status")), value),
        location=location,
    )


def _text(field: object) -> str | None:
    """Text of a field, None if empty; the entries of a list are joined with a blank."""
    if field is None or isinstance(field, dict):
        return None
    parts = field if isinstance(field, list) else [field]
    text = " ".join(str(part).strip() for part in parts if part is not None).strip()
    # JSON may escape half a surrogate pair, which cannot be encoded.
    return text.encode(errors="backslashreplace").decode() or None


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """Location of an entry in its source: file name and line, or number of the document in a JSON response."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(frozen=True, slots=True)
class ObservationRecord:
    """One observation as it was sent.

    `value` is the text of the value before any judgement, None if nothing was measured. A record with a
    `missing_reason` counts as missing. `group` is "control" (wild type) or "experimental"; `centre`, `strain` and
    `group` are None if the source does not contain them.
    """

    specimen_id: str
    centre: str | None
    strain: str | None
    group: str | None
    parameter_stable_id: str
    value: str | None
    missing_reason: str | None
    location: SourceLocation


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry without an observation of a specimen; `reason` is a stable snake_case code."""

    reason: str
    message: str
    location: SourceLocation


Item = ObservationRecord | Skipped
