"""The CSV manifest, which names each file's specimen and view; and an empty one to fill in."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from services.common.columns import check_columns
from services.common.errors import Fatal
from services.common.events.animal import Animal

_REQUIRED: Final = ("file", "biological_sample_id", "parameter_stable_id")
_ANIMAL: Final = ("sample_group", "sex", "strain_accession_id")
_OPTIONAL: Final = ("increment", "acquired_at", "sha256", *_ANIMAL)
_COLUMNS: Final = (*_REQUIRED, *_OPTIONAL)
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_SHOWN_FAULTS: Final = 20


@dataclass(frozen=True)
class ManifestRow:
    """One row of a manifest; `path` is absolute."""

    path: Path
    biological_sample_id: str
    parameter_stable_id: str
    increment: str | None = None
    acquired_at: datetime | None = None
    sha256: str | None = None
    animal: Animal | None = None


@dataclass(frozen=True)
class Manifest:
    """The rows of a manifest, and the names of its columns that are not used."""

    rows: list[ManifestRow]
    unused_columns: list[str]


def read_manifest(path: Path) -> Manifest:
    """Read a manifest: UTF-8 CSV with a header line, in which `file` is relative to the manifest's folder.

    The delimiter is the comma or the semicolon, whichever comes first in the header line. Unknown columns are ignored.

    Raises Fatal for a file that cannot be read, a missing or repeated column, and for faults in rows: an empty value,
    a wrong time or digest, or a file that is named twice. The message lists the first 20 faults with their lines.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = _delimiter(file.readline())
            file.seek(0)
            reader = csv.DictReader(file, delimiter=delimiter)
            columns = list(reader.fieldnames or ())
            _check_header(path, columns)
            lines = [(reader.line_num, fields) for fields in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"cannot read the manifest {path}: {error}"
        raise Fatal(msg) from error
    return Manifest(_rows(path, lines), [name or "(no name)" for name in columns if name not in _COLUMNS])


def _delimiter(header: str) -> str:
    found = re.search("[,;]", header)
    return found[0] if found else ","


def _check_header(path: Path, columns: list[str]) -> None:
    check_columns(path, [name for name in columns if name in _COLUMNS], _REQUIRED, _OPTIONAL)
    repeated = [name for name, number in Counter(columns).items() if number > 1 and name in _COLUMNS]
    if repeated:
        msg = f"{path} has more than one column {', '.join(repeated)}"
        raise Fatal(msg)


def _rows(manifest: Path, lines: Iterable[tuple[int, Mapping[Any, Any]]]) -> list[ManifestRow]:
    rows: list[ManifestRow] = []
    faults: list[str] = []
    line_of: dict[Path, int] = {}
    for line, fields in lines:
        values = {name: (fields.get(name) or "").strip() for name in _COLUMNS}
        found = _faults(values)
        if None in fields:
            found.append("more values than columns")
        path = (manifest.parent / values["file"]).absolute()
        if values["file"] and path in line_of:
            found.append(f"names {path} twice (also in line {line_of[path]}); one file is one image of one specimen")
        line_of.setdefault(path, line)
        faults += [f"line {line}: {fault}" for fault in found]
        if not faults:
            # Ids are compared exactly, and a blank is part of one.
            rows.append(_row(path, fields["biological_sample_id"], values))
    _refuse(manifest, faults)
    return rows


def _row(path: Path, specimen: str, values: Mapping[str, str]) -> ManifestRow:
    return ManifestRow(
        path=path,
        biological_sample_id=specimen,
        parameter_stable_id=values["parameter_stable_id"],
        increment=values["increment"] or None,
        acquired_at=datetime.fromisoformat(values["acquired_at"]) if values["acquired_at"] else None,
        sha256=values["sha256"].lower() or None,
        animal=_animal(values),
    )


def _animal(values: Mapping[str, str]) -> Animal | None:
    """Return what a row states about the animal, None if nothing; raises ValidationError."""
    stated = {name: values[name] for name in _ANIMAL if values[name]}
    return Animal.model_validate(stated) if stated else None


def _faults(values: Mapping[str, str]) -> list[str]:
    empty = [name for name in _REQUIRED if not values[name]]
    faults = [f"{', '.join(empty)} is empty"] if empty else []
    if values["acquired_at"]:
        try:
            datetime.fromisoformat(values["acquired_at"])
        except ValueError:
            example = "2024-05-31T12:00:00+00:00"
            faults.append(f"acquired_at {values['acquired_at']!r} is not an ISO 8601 time such as {example}")
    if values["sha256"] and not _SHA256.fullmatch(values["sha256"]):
        faults.append(f"sha256 {values['sha256']!r} is not 64 hexadecimal digits")
    try:
        _animal(values)
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0])
            faults.append(f"{name} {values[name]!r}: {problem['msg'].lower()}")
    return faults


def _refuse(manifest: Path, faults: list[str]) -> None:
    if len(faults) == 1:
        msg = f"{manifest} {faults[0]}"
        raise Fatal(msg)
    if faults:
        shown = "".join(f"\n  {fault}" for fault in faults[:_SHOWN_FAULTS])
        more = len(faults) - _SHOWN_FAULTS
        msg = f"{manifest} has {len(faults)} faults:{shown}" + (f"\n  and {more} more" if more > 0 else "")
        raise Fatal(msg)


def create_manifest(path: Path, images: Iterable[tuple[Path, str | None, str | None]]) -> None:
    """Write a manifest with a row for each image: its file, specimen and parameter; unknown ones stay empty.

    Files below the manifest's folder are named relative to it. Raises Fatal if the manifest exists or cannot be
    written.
    """
    folder = path.absolute().parent
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for image, specimen, parameter in images:
                found = image.absolute()
                name = found.relative_to(folder) if found.is_relative_to(folder) else found
                writer.writerow([name, specimen, parameter, *("" for _ in _OPTIONAL)])
    except FileExistsError as error:
        msg = f"{path} already exists; give the manifest another name"
        raise Fatal(msg) from error
    except (OSError, UnicodeEncodeError) as error:
        msg = f"cannot write the manifest {path}: {error}"
        raise Fatal(msg) from error
