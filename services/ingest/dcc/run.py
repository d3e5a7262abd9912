"""Reads all submissions of one push before anything is sent, and stores their observations."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.common.errors import Rejected
from services.common.settings import load
from services.common.store import ObjectStore
from services.ingest.dcc.content import DccSubmission
from services.ingest.dcc.plan import MediaLookup, read_submission, skip_shared
from services.ingest.observations import store_observations
from services.ingest.push.image import PushImage, SkippedFile, skipped_file
from services.intake.fetch import Fetcher
from services.intake.settings import IntakeSettings, Limits


@dataclass
class SubmissionBatch:
    """The valid submissions of one push, their images, and everything that is skipped.

    `remarks` are messages about entries that need no fix, such as experiments of other procedures.
    """

    submissions: list[DccSubmission] = field(default_factory=list)
    images: list[PushImage] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StoredSubmission:
    """A submission whose XML is in object storage; `new` is False if it was stored before."""

    path: Path
    key: str
    new: bool


def media_lookup(folder: Path | None, parallel: int) -> MediaLookup:
    """Look images up below `folder`, or below each submission's own; fetch others, `parallel` at a time."""
    settings = load(IntakeSettings)
    fetcher = Fetcher(ObjectStore(settings, connections=parallel), settings, load(Limits).most_bytes)
    return MediaLookup(folder, fetcher.fetch)


def read_batch(paths: Iterable[Path], lookup: MediaLookup) -> SubmissionBatch:
    """Read the submissions, and those in folders at any depth; an invalid one is skipped as a whole."""
    batch = SubmissionBatch()
    for path in _submission_files(paths):
        try:
            submission = read_submission(path, lookup)
        except Rejected as rejected:
            batch.skipped.append(skipped_file(path, rejected.reason, _with_line(rejected.message, path)))
            continue
        batch.submissions.append(submission)
        batch.skipped += [
            skipped_file(path, reason, f"line {line}: {message}") for line, reason, message in submission.unclear
        ]
        if submission.other_procedures:
            batch.remarks.append(
                f"{path}: {submission.other_procedures} experiments of other procedures are not X-rays"
            )
    skip_shared(batch.submissions)
    _sort_images(batch)
    return batch


def store_submissions(batch: SubmissionBatch, store: ObjectStore) -> Iterator[StoredSubmission]:
    """Store the XML of each submission; raises Retriable if the store is away."""
    for submission in batch.submissions:
        new = store_observations(store, submission.data, "xml")
        yield StoredSubmission(submission.path, submission.key, new)


def _submission_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            # A broken link is kept, so that reading it fails and the report names it.
            yield from sorted(
                file
                for file in path.rglob("*")
                if file.suffix.lower() == ".xml" and (file.is_file() or file.is_symlink())
            )
        else:
            yield path


def _sort_images(batch: SubmissionBatch) -> None:
    for submission in batch.submissions:
        for animal in submission.animals.values():
            for image in animal.images:
                if isinstance(image.planned, PushImage):
                    batch.images.append(image.planned)
                else:
                    where = f"{animal.specimen}, {submission.path.name} line {image.line}"
                    message = f"{image.planned.message} ({where})"
                    batch.skipped.append(SkippedFile(image.planned.source, image.planned.reason, message))


def _with_line(message: str, path: Path) -> str:
    """Turn `path:12: fault` into `line 12: fault`, because the report names the path."""
    start = rf"^{re.escape(str(path))}:(\d*):? ?"
    return re.sub(start, lambda match: f"line {match[1]}: " if match[1] else "", message)
