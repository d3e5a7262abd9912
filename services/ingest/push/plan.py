"""Plans a push of plain files: each file with its specimen and view, or the reason why it is skipped."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from services.common.errors import Rejected
from services.common.events.animal import Animal
from services.ingest.push.hints import DicomTags, parameter_in, read_tags
from services.ingest.push.image import LocalFile, PushImage, SkippedFile, checked, missing_file, skipped_file
from services.ingest.push.manifest import ManifestRow
from services.intake.decode.sniff import FileFormat, sniff

_HEAD_BYTES: Final = 132


@dataclass(frozen=True)
class PushDefaults:
    """What the command line gives for all files.

    `specimen_pattern` has a group `specimen` and is searched in each file name. With `control` the animals are
    controls (wild types), except those of which a manifest states another group.
    """

    centre: str
    biological_sample_id: str | None = None
    parameter_stable_id: str | None = None
    specimen_pattern: re.Pattern[str] | None = None
    control: bool = False

    def animal(self, stated: Animal | None = None) -> Animal | None:
        """Return what is known of the animal of a file; what a manifest states counts more than the command line."""
        if not self.control:
            return stated
        return Animal.model_validate({"sample_group": "control"} | (stated.facts() if stated else {}))


@dataclass(frozen=True)
class ImageFile:
    """An image file, what its header gives, and the specimen and view that are certain."""

    path: Path
    file_format: FileFormat
    tags: DicomTags
    given: PushDefaults

    def specimen(self) -> str:
        """The specimen from the command line, else the file name, else the header; raises Rejected if there is none."""
        pattern = self.given.specimen_pattern
        match = pattern.search(self.path.name) if pattern else None
        named = match["specimen"] if match else None
        specimen = self.given.biological_sample_id or named or self.tags.biological_sample_id
        if specimen:
            return specimen
        why = "its PatientID is empty" if self.file_format is FileFormat.DICOM else f"a {self.file_format} has none"
        why += "" if pattern is None else " and the file name does not match --specimen-from"
        message = f"no biological_sample_id: {why}; give --specimen, --specimen-from or a --manifest"
        raise Rejected("specimen_unknown", message)

    def parameter(self) -> str:
        """The image parameter from the command line, else from header and file name, which must not disagree.

        Raises Rejected `parameter_unknown`.
        """
        if self.given.parameter_stable_id:
            return self.given.parameter_stable_id
        remedy = "give --parameter or a --manifest"
        if self.tags.contradiction:
            message = f"the DICOM header contradicts itself ({self.tags.contradiction}); {remedy}"
            raise Rejected("parameter_unknown", message)
        header, name = self.tags.parameter_stable_id, parameter_in(self.path.stem)
        if header and name and header != name:
            message = f"the DICOM header states {header}, the file name {name}; {remedy}"
            raise Rejected("parameter_unknown", message)
        if header or name:
            return header or name or ""
        raise Rejected("parameter_unknown", f"neither a DICOM header nor the file name states one view; {remedy}")


def from_manifest(
    rows: Sequence[ManifestRow], within: Sequence[Path], given: PushDefaults
) -> Iterator[PushImage | SkippedFile]:
    """Plan the rows of a manifest.

    With `within`, only rows below these paths are planned, and image files without a row are reported.
    """
    roots = [path.absolute() for path in within]
    for row in rows:
        if not roots or any(row.path == root or root in row.path.parents for root in roots):
            yield _from_row(row, given)
    listed = {row.path for row in rows}
    for found in _files(roots):
        if isinstance(found, SkippedFile):
            yield found
        elif found not in listed:
            file_format = _format(found)
            not_named = skipped_file(found, "not_in_manifest", "the manifest does not name it")
            yield file_format if isinstance(file_format, SkippedFile) else not_named


def from_files(paths: Sequence[Path], given: PushDefaults) -> Iterator[PushImage | SkippedFile]:
    """Plan files by command line, DICOM header and file name, in this order."""
    for found in _image_files(paths, given):
        yield found if isinstance(found, SkippedFile) else _from_file(found)


def manifest_rows(
    paths: Sequence[Path], given: PushDefaults
) -> Iterator[tuple[Path, str | None, str | None] | SkippedFile]:
    """Yield each image file with its specimen and parameter, None where they are not certain, for a new manifest."""
    for found in _image_files(paths, given):
        yield found if isinstance(found, SkippedFile) else (found.path, _known(found.specimen), _known(found.parameter))


def _known(value: Callable[[], str]) -> str | None:
    try:
        return value()
    except Rejected:
        return None


def _image_files(paths: Iterable[Path], given: PushDefaults) -> Iterator[ImageFile | SkippedFile]:
    """Yield the image files among files, and in folders at any depth, in order; all others are skipped."""
    for path in _files(paths):
        if isinstance(path, SkippedFile):
            yield path
            continue
        file_format = _format(path)
        if isinstance(file_format, SkippedFile):
            yield file_format
        else:
            tags = read_tags(path) if file_format is FileFormat.DICOM else DicomTags()
            yield ImageFile(path, file_format, tags, given)


def _files(paths: Iterable[Path]) -> Iterator[Path | SkippedFile]:
    for path in paths:
        if path.is_dir():
            yield from _below(path)
        else:
            yield path


def _below(folder: Path) -> Iterator[Path | SkippedFile]:
    """Files below a folder, in order, without hidden ones; what cannot be searched is named, not left out silently."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        yield skipped_file(folder, "file_unreadable", str(error.strerror or error))
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path)
        elif entry.is_symlink() and path.is_dir():
            # Following links could run in circles, or push the same files twice.
            yield skipped_file(path, "folder_link", "links to folders are not followed; name the folder itself")
        elif entry.is_symlink() or entry.is_file():
            yield path


def _from_row(row: ManifestRow, given: PushDefaults) -> PushImage | SkippedFile:
    if not row.path.is_file():
        return missing_file(row.path)
    return checked(
        PushImage(
            LocalFile(row.path),
            row.biological_sample_id,
            given.centre,
            row.parameter_stable_id,
            row.increment,
            row.acquired_at,
            row.sha256,
            animal=given.animal(row.animal),
        )
    )


def _from_file(file: ImageFile) -> PushImage | SkippedFile:
    source = LocalFile(file.path)
    try:
        specimen, parameter = file.specimen(), file.parameter()
    except Rejected as rejected:
        return SkippedFile(source, rejected.reason, rejected.message)
    image = PushImage(source, specimen, file.given.centre, parameter, acquired_at=file.tags.acquired_at)
    return checked(replace(image, animal=file.given.animal()))


def _format(path: Path) -> FileFormat | SkippedFile:
    try:
        with path.open("rb") as file:
            found = sniff(file.read(_HEAD_BYTES))
    except FileNotFoundError:
        return missing_file(path)
    except OSError as error:
        return skipped_file(path, "file_unreadable", str(error.strerror or error))
    if found is None:
        return skipped_file(path, "not_an_image", "not a DICOM, JPEG, PNG, BMP or TIFF file", failed=False)
    return found
