"""What every reader gives: one observation of one specimen, or a note of why an entry gives none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in its source an entry stands: file name and line, or number of the document in a JSON response."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(frozen=True, slots=True)
class Record:
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
    place: Place


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that names no observation of a specimen; `reason` is a stable snake_case code."""

    reason: str
    words: str
    place: Place


Item = Record | Skipped
