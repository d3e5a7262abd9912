"""What is to be pushed, or why it is not.

Where the bytes of an image come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from services.common.errors import Rejected
from services.common.events import image_kind


class ImageSource(Protocol):
    """A file, or an address to fetch from; its text names it for people.

    The methods raise Rejected when there is nothing to be had, Retriable when a server is away.
    """

    @property
    def file_name(self) -> str:
        """The file's own name, which travels with the event."""

    def fingerprint(self) -> tuple[JsonValue, ...]:
        """What tells cheaply whether the bytes are those of an earlier run."""

    def read(self) -> bytes:
        """All bytes."""


@dataclass(frozen=True)
class LocalFile:
    """A file on disk; it counts as the same while path, size and time of change are."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def file_name(self) -> str:
        """The last part of the path."""
        return self.path.name

    def fingerprint(self) -> tuple[JsonValue, ...]:
        """Absolute path, bytes, nanoseconds of the last change; raises Rejected `file_unreadable`."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise Rejected("file_unreadable", str(error.strerror or error)) from error
        return str(self.path.absolute()), status.st_size, status.st_mtime_ns

    def read(self) -> bytes:
        """The whole file; raises Rejected `file_unreadable`."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise Rejected("file_unreadable", str(error.strerror or error)) from error


@dataclass(frozen=True)
class PushImage:
    """One image to push, with everything its event needs but the digest.

    `metadata` goes into the event beside the file's name; it is no part of the image's identity.
    """

    source: ImageSource
    biological_sample_id: str
    centre: str
    parameter_stable_id: str
    increment: str | None = None
    acquired_at: datetime | None = None
    sha256: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SkippedFile:
    """One image that is not pushed; `failed` when the user should mend something, not for files that are no images."""

    source: ImageSource
    reason: str
    words: str
    failed: bool = True


def file_left_out(path: Path, reason: str, words: str, *, failed: bool = True) -> SkippedFile:
    """Leave out a file on disk."""
    return SkippedFile(LocalFile(path), reason, words, failed)


def checked(image: PushImage) -> PushImage | SkippedFile:
    """Leave an image out when its parameter is none of the X-ray procedure's image parameters."""
    try:
        image_kind(image.parameter_stable_id)
    except Rejected as rejected:
        return SkippedFile(image.source, rejected.reason, rejected.message)
    return image
