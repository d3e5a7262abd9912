"""What every reader gives: one observation of one specimen, or a note of why an entry gives none.

From the fields of a Solr document, or the columns of a CSV row, to a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.ingest.submissions import missing_reason, specimen_id

VALUE_FIELDS: Final = ("category", "data_point", "text_value", "sub_term_id", "value")
"""Fields that may hold the value, in the order in which they are asked (`value` for hand-made CSV)."""
SPECIMEN_FIELDS: Final = ("biological_sample_id", "specimen_id", "external_sample_id")


def item_of(fields: Mapping[str, object], place: SourceLocation) -> Item:
    """The record of one document or row; absent and null fields are equal. Skipped when it names no specimen."""
    parameter = _text(fields.get("parameter_stable_id"))
    if parameter is None:
        return Skipped("no_parameter", "the entry has no parameter_stable_id", place)
    centre = _text(fields.get("phenotyping_center"))
    sample, specimen, external = (_text(fields.get(name)) for name in SPECIMEN_FIELDS)
    identifier = specimen_id(sample, specimen, centre, external)
    if identifier is None:
        words = "give biological_sample_id, or specimen_id, or phenotyping_center with external_sample_id"
        return Skipped("no_specimen", words, place)
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
        place=place,
    )


def _text(field: object) -> str | None:
    """Text of a field, None where empty; the entries of a list are joined by a blank."""
    if field is None or isinstance(field, dict):
        return None
    parts = field if isinstance(field, list) else [field]
    text = " ".join(str(part).strip() for part in parts if part is not None).strip()
    # JSON may escape half a surrogate pair, which no file can hold.
    return text.encode(errors="backslashreplace").decode() or None


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """Where in its source an entry stands: file name and line, or number of the document in a JSON response."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(frozen=True, slots=True)
class ObservationRecord:
    """One observation as it was sent.

    `value` is the text of the value, not yet judged, or None when nothing was measured; `missing_reason` says why, and
    a record that has one counts as missing. `group` is "control" (wild type) or "experimental"; `centre`, `strain` and
    `group` are None where the source does not say.
    """

    specimen_id: str
    centre: str | None
    strain: str | None
    group: str | None
    parameter_stable_id: str
    value: str | None
    missing_reason: str | None
    place: SourceLocation


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that names no observation of a specimen; `reason` is a stable snake_case code."""

    reason: str
    words: str
    place: SourceLocation


Item = ObservationRecord | Skipped
