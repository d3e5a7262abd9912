"""Plans the push of a submission: turns its experiments into images to push.

Finds the image files that a submission names.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import JsonValue

from services.common.errors import Rejected
from services.common.sources.uri import ImageUri, parse_image_uri, shown
from services.ingest.centres import CENTRE_OF_ILAR_CODE, IMPC_CENTRES
from services.ingest.dcc.content import ASSOCIATIONS, DccSubmission, NamedImage, SubmittedAnimal
from services.ingest.push.image import ImageSource, LocalFile, PushImage, SkippedFile, checked
from services.ingest.submissions import MAXIMUM_SIZE, Experiment, Medium, missing_reason, read_experiments, specimen_id
from services.ingest.submissions.content import is_xray, kind_of

_FETCHED: Final = frozenset({"s3", "https"})
_ON_DISK: Final = frozenset({"", "file"})


@dataclass(frozen=True)
class RemoteMedia:
    """An image at an address; it counts as the same image while the address is unchanged."""

    uri: str
    fetch: Callable[[ImageUri], bytes]

    def __str__(self) -> str:
        return shown(self.uri)

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(self.uri.partition("?")[0]).name or shown(self.uri)

    def fingerprint(self) -> tuple[JsonValue, ...]:
        """The address."""
        return (self.uri,)

    def read(self) -> bytes:
        """Fetch; raises what `fetch` raises."""
        return self.fetch(_parsed(self.uri))


def locate(uri: str, folder: Path, fetch: Callable[[ImageUri], bytes]) -> ImageSource:
    """Find the image that a submission names by a URI.

    A file below `folder` takes precedence: a relative path, a file: URI, or the path of any other URI
    (ftp://host/a/b.dcm is a/b.dcm), also with its %-escapes resolved. Otherwise s3: and https: are fetched. Raises
    Rejected `media_missing`, `media_outside` (a path that leads out of the folder) or `media_uri`.
    """
    try:
        parts = urlsplit(uri)
        scheme = parts.scheme if len(parts.scheme) > 1 else ""  # C:\scans\1.dcm has no scheme
    except ValueError as error:
        raise Rejected("media_uri", f"{shown(uri)!r} is not a URI") from error
    path = parts.path if scheme else uri
    below = _below(path, folder, absolute=scheme in _ON_DISK)
    if below is not None:
        return LocalFile(below)
    if scheme in _FETCHED:
        _parsed(uri)
        return RemoteMedia(uri, fetch)
    if scheme in _ON_DISK:
        raise Rejected("media_missing", f"there is no {path.lstrip('/')} below {folder}; see --media")
    message = f"{scheme}: is not fetched, and there is no {path.lstrip('/')} below {folder}; see --media"
    raise Rejected("media_missing", message)


def _parsed(uri: str) -> ImageUri:
    try:
        return parse_image_uri(uri)
    except ValueError as error:
        raise Rejected("media_uri", f"{shown(uri)}: {error}") from error


def _below(path: str, folder: Path, *, absolute: bool) -> Path | None:
    """Return the file with this path below the folder, or None; raises Rejected `media_outside`.

    Links inside the folder are followed: the folder's owner created them, but the centre wrote the path.
    """
    root = folder.absolute()
    for text in dict.fromkeys((path, unquote(path))):
        if "\0" in text:
            continue
        given = text.replace("\\", "/")
        on_disk = absolute and given.startswith("/") and _is_file(Path(given))
        found = Path(os.path.normpath(given if on_disk else root / given.lstrip("/")))
        if not found.is_relative_to(root):
            raise Rejected("media_outside", f"{path} is outside {folder}; only files below it (--media) are sent")
        if _is_file(found):
            return folder / found.relative_to(root)
    return None


def _is_file(path: Path) -> bool:
    """Return False also for a path that the system cannot look up, such as a name of 5,000 characters."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


_LONGEST_METADATA: Final = 1000
"""Characters per value, which keeps an event far below the broker's size limit."""


@dataclass(frozen=True)
class MediaLookup:
    """Where images are: below `folder` (None: the submission's own folder), or at an address that `fetch` reads."""

    folder: Path | None
    fetch: Callable[[ImageUri], bytes]


def read_submission(path: Path, lookup: MediaLookup) -> DccSubmission:
    """Read and plan one file; raises Rejected, with file, line and remedy, unless it is complete and valid."""
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_SIZE + 1)
    except OSError as error:
        raise Rejected("unreadable_source", f"{path}: {error.strerror or error}") from error
    planner = _Planner(DccSubmission(path, data), lookup)
    for experiment in read_experiments(BytesIO(data), path):
        planner.add(experiment)
    return planner.submission


def skip_shared(submissions: Iterable[DccSubmission]) -> None:
    """Skip every file that is named for several specimens, because its owner is unknown."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    animals = [animal for submission in submissions for animal in submission.animals.values()]
    for animal in animals:
        for image in animal.images:
            owners[str(image.planned.source)].add(animal.biological_sample_id)
    for animal in animals:
        for image in animal.images:
            if isinstance(image.planned, PushImage) and len(owners[str(image.planned.source)]) > 1:
                message = "named for several specimens; an image shows one"
                planned = SkippedFile(image.planned.source, "media_shared", message)
                animal.images_by_identity[image.identity] = replace(image, planned=planned)


class _Planner:
    """Adds the experiments of one file to its submission."""

    def __init__(self, submission: DccSubmission, lookup: MediaLookup) -> None:
        self.submission, self._fetch = submission, lookup.fetch
        self._folder = lookup.folder or submission.path.parent

    def add(self, experiment: Experiment) -> None:
        if not is_xray(experiment.procedure) and not (experiment.procedure is None and experiment.status):
            self.submission.other_procedures += 1
            return
        centre = experiment.centre or ""
        ids = {external: specimen_id(None, None, centre, external) for external in experiment.specimens}
        if not ids or None in ids.values():
            message = "an experiment needs a specimenID and its centre a centreID"
            self.submission.unclear.append((experiment.line, "no_specimen", message))
        elif centre not in IMPC_CENTRES:
            # The whole file: its observations would be stored under specimen ids that belong to no centre.
            message = f"{centre!r} is not a known centreID; known are {', '.join(CENTRE_OF_ILAR_CODE)}"
            raise Rejected("centre_unknown", f"{self.submission.path}:{experiment.line}: {message}")
        elif len(ids) > 1 and any(medium.uri for medium in experiment.media):
            message = f"images of {', '.join(ids)} together; give each specimen its own experiment"
            self.submission.unclear.append((experiment.line, "several_specimens", message))
        else:
            for external, identifier in ids.items():
                animal = SubmittedAnimal(external, identifier or "", centre, experiment.line)
                self._add_to(self.submission.animals.setdefault(animal.biological_sample_id, animal), experiment)

    def _add_to(self, animal: SubmittedAnimal, experiment: Experiment) -> None:
        animal.observations += len(experiment.values)
        if experiment.status and not experiment.media:
            animal.remarks.append(f"not done: {missing_reason(experiment.status, None)}")
        else:
            animal.examined = True
        for medium in experiment.media:
            if medium.uri is None:
                kind = kind_of(medium.parameter)
                view = kind if kind in {"DV", "LAT"} else medium.parameter
                animal.remarks.append(f"{view}: {missing_reason(medium.status, None)}")
            else:
                animal.add(NamedImage(medium.line, medium.parameter, self._planned(animal, medium, experiment)))

    def _planned(self, animal: SubmittedAnimal, medium: Medium, experiment: Experiment) -> PushImage | SkippedFile:
        uri = medium.uri or ""
        try:
            source: ImageSource = locate(uri, self._folder, self._fetch)
        except Rejected as rejected:
            return SkippedFile(RemoteMedia(uri, self._fetch), rejected.reason, rejected.message)
        stated = {
            "specimen": animal.specimen,
            "experiment": experiment.experiment_id,
            "uri": shown(uri),
            "file_type": medium.file_type,
            ASSOCIATIONS: ",".join(medium.associations),
            "status": medium.status,
            "submission": self.submission.key,
        }
        image = PushImage(
            source,
            animal.biological_sample_id,
            animal.centre,
            medium.parameter,
            increment=medium.increment,
            acquired_at=_day(experiment.date),
            metadata={name: _plain(value) for name, value in stated.items() if value},
        )
        return checked(image)


def _day(text: str | None) -> datetime | None:
    """Return midnight UTC of a date yyyy-MM-dd; None for anything else."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None


def _plain(text: str) -> str:
    """Replace control characters, which no event may carry, and limit the length."""
    return "".join(character if character.isprintable() else " " for character in text)[:_LONGEST_METADATA]
