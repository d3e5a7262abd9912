"""The CSV manifest: which file is which specimen's which view."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from services.common.columns import check_columns
from services.common.errors import Fatal

_REQUIRED: Final = ("file", "biological_sample_id", "parameter_stable_id")
_OPTIONAL: Final = ("increment", "acquired_at", "sha256")


@dataclass(frozen=True)
class Row:
    """One line of a manifest; `path` is absolute."""

    path: Path
    biological_sample_id: str
    parameter_stable_id: str
    increment: str | None = None
    acquired_at: datetime | None = None
    sha256: str | None = None


def read_manifest(manifest: Path) -> list[Row]:
    """Read a manifest (UTF-8 CSV with a header line; `file` is relative to the manifest's folder).

    Raises Fatal, naming line and column, for a missing column, an empty value, a wrong time or a file named twice.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            check_columns(manifest, reader.fieldnames or (), _REQUIRED, _OPTIONAL)
            rows = [_row(manifest, reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"cannot read the manifest {manifest}: {error}"
        raise Fatal(msg) from error
    seen: set[Path] = set()
    for row in rows:
        if row.path in seen:
            msg = f"{manifest} names {row.path} twice; one file is one image of one specimen"
            raise Fatal(msg)
        seen.add(row.path)
    return rows


def _row(manifest: Path, line: int, fields: dict[str | None, str | None]) -> Row:
    values = {name: (fields.get(name) or "").strip() for name in (*_REQUIRED, *_OPTIONAL)}
    empty = [name for name in _REQUIRED if not values[name]]
    if empty or None in fields:
        fault = f"{', '.join(empty)} is empty" if empty else "more values than columns"
        msg = f"{manifest} line {line}: {fault}"
        raise Fatal(msg)
    return Row(
        path=(manifest.parent / values["file"]).absolute(),
        # As it stands: ids are compared exactly, a blank is part of one.
        biological_sample_id=fields["biological_sample_id"] or "",
        parameter_stable_id=values["parameter_stable_id"],
        increment=values["increment"] or None,
        acquired_at=_moment(manifest, line, values["acquired_at"]),
        sha256=values["sha256"].lower() or None,
    )


def _moment(manifest: Path, line: int, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        msg = f"{manifest} line {line}: acquired_at {text!r} is no ISO 8601 time, like 2024-05-31T12:00:00+00:00"
        raise Fatal(msg) from None
