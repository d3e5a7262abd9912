"""What is to be pushed: every file with what is known of it, or why it is left out.

The CSV manifest: which file is which specimen's which view.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from services.common.columns import check_columns
from services.common.errors import Fatal
from services.ingest.push.hints import Tags, parameter_in, read_tags
from services.ingest.push.image import LocalFile, PushImage, SkippedFile, checked, file_left_out
from services.intake.decode.sniff import FileFormat, sniff

_REQUIRED: Final = ("file", "biological_sample_id", "parameter_stable_id")
_OPTIONAL: Final = ("increment", "acquired_at", "sha256")


@dataclass(frozen=True)
class ManifestRow:
    """One line of a manifest; `path` is absolute."""

    path: Path
    biological_sample_id: str
    parameter_stable_id: str
    increment: str | None = None
    acquired_at: datetime | None = None
    sha256: str | None = None


def read_manifest(manifest: Path) -> list[ManifestRow]:
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


def _row(manifest: Path, line: int, fields: dict[str | None, str | None]) -> ManifestRow:
    values = {name: (fields.get(name) or "").strip() for name in (*_REQUIRED, *_OPTIONAL)}
    empty = [name for name in _REQUIRED if not values[name]]
    if empty or None in fields:
        fault = f"{', '.join(empty)} is empty" if empty else "more values than columns"
        msg = f"{manifest} line {line}: {fault}"
        raise Fatal(msg)
    return ManifestRow(
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


_HEAD_BYTES: Final = 132


@dataclass(frozen=True)
class PushDefaults:
    """What the command line says of all files."""

    centre: str
    biological_sample_id: str | None = None
    parameter_stable_id: str | None = None


def from_manifest(
    rows: Sequence[ManifestRow], within: Sequence[Path], given: PushDefaults
) -> Iterator[PushImage | SkippedFile]:
    """Plan the rows of a manifest; with `within`, only those below these paths, and files without a row are named."""
    roots = [path.absolute() for path in within]
    for row in rows:
        if not roots or any(row.path == root or root in row.path.parents for root in roots):
            yield _from_row(row, given)
    listed = {row.path for row in rows}
    for path in files(roots):
        if path not in listed:
            file_format = _format(path)
            not_named = file_left_out(path, "not_in_manifest", "the manifest does not name it")
            yield file_format if isinstance(file_format, SkippedFile) else not_named


def from_files(paths: Sequence[Path], given: PushDefaults) -> Iterator[PushImage | SkippedFile]:
    """Plan files by command line, DICOM header and file name, in this order."""
    for path in files(paths):
        yield _from_file(path, given)


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files, and those in folders at any depth, in order; hidden ones in folders are passed over."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for below in sorted(path.rglob("*")):
            if below.is_file() and not any(part.startswith(".") for part in below.relative_to(path).parts):
                yield below


def _from_row(row: ManifestRow, given: PushDefaults) -> PushImage | SkippedFile:
    if not row.path.is_file():
        return file_left_out(row.path, "file_missing", "there is no such file")
    return checked(
        PushImage(
            LocalFile(row.path),
            row.biological_sample_id,
            given.centre,
            row.parameter_stable_id,
            row.increment,
            row.acquired_at,
            row.sha256,
        )
    )


def _from_file(path: Path, given: PushDefaults) -> PushImage | SkippedFile:
    file_format = _format(path)
    if isinstance(file_format, SkippedFile):
        return file_format
    tags = read_tags(path) if file_format is FileFormat.DICOM else Tags()
    specimen = given.biological_sample_id or tags.biological_sample_id
    if specimen is None:
        where = "its PatientID is empty" if file_format is FileFormat.DICOM else f"a {file_format} carries none"
        words = f"no biological_sample_id: {where}; give --specimen or a --manifest"
        return file_left_out(path, "specimen_unknown", words)
    parameter = given.parameter_stable_id or _parameter(path, tags)
    if parameter is None:
        words = "neither header nor file name states one view for certain; give --parameter or a --manifest"
        return file_left_out(path, "parameter_unknown", words)
    return checked(PushImage(LocalFile(path), specimen, given.centre, parameter, acquired_at=tags.acquired_at))


def _parameter(path: Path, tags: Tags) -> str | None:
    """Header and file name must not contradict each other."""
    stated = {parameter for parameter in (tags.parameter_stable_id, parameter_in(path.stem)) if parameter}
    return stated.pop() if len(stated) == 1 else None


def _format(path: Path) -> FileFormat | SkippedFile:
    try:
        with path.open("rb") as file:
            found = sniff(file.read(_HEAD_BYTES))
    except FileNotFoundError:
        return file_left_out(path, "file_missing", "there is no such file")
    except OSError as error:
        return file_left_out(path, "file_unreadable", str(error.strerror or error))
    if found is None:
        return file_left_out(path, "not_an_image", "not a DICOM, JPEG, PNG, BMP or TIFF file", failed=False)
    return found
