"""The images to push, the files that are not pushed, and where the bytes of an image come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from services.common.errors import Rejected
from services.common.events import image_kind
from services.common.events.animal import Animal


class ImageSource(Protocol):
    """A file, or an address to fetch from; `str()` gives its name for people.

    The methods raise Rejected if the bytes cannot be read, Retriable if a server is away.
    """

    @property
    def file_name(self) -> str:
        """The file's own name, which the event carries."""

    def fingerprint(self) -> tuple[JsonValue, ...]:
        """Values that identify the bytes of an earlier run without reading them."""

    def read(self) -> bytes:
        """Return all bytes."""


@dataclass(frozen=True)
class LocalFile:
    """A file on disk; it counts as the same file while path, size and modification time are unchanged."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def file_name(self) -> str:
        """The last part of the path."""
        return self.path.name

    def fingerprint(self) -> tuple[JsonValue, ...]:
        """Absolute path, size in bytes, modification time in nanoseconds; raises Rejected `file_unreadable`."""
        try:
            status = self.path.stat()
        except (OSError, ValueError) as error:
            raise _unreadable(error) from error
        return str(self.path.absolute()), status.st_size, status.st_mtime_ns

    def read(self) -> bytes:
        """Return the whole file; raises Rejected `file_unreadable`."""
        try:
            return self.path.read_bytes()
        except (OSError, ValueError) as error:
            raise _unreadable(error) from error


def _unreadable(error: OSError | ValueError) -> Rejected:
    """Return the rejection of a file; a ValueError means that its name holds a null character."""
    reason = error.strerror if isinstance(error, OSError) else None
    return Rejected("file_unreadable", reason or str(error))


@dataclass(frozen=True)
class PushImage:
    """One image to push, with everything that its event needs except the digest.

    `sha256` (64 lower-case hexadecimal digits) is checked before the upload. `metadata` goes into the event together
    with the file name; it is not part of the image's identity.
    """

    source: ImageSource
    biological_sample_id: str
    centre: str
    parameter_stable_id: str
    increment: str | None = None
    acquired_at: datetime | None = None
    sha256: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    animal: Animal | None = None


@dataclass(frozen=True)
class SkippedFile:
    """One file that is not pushed; `failed` is False for files that the user need not fix, such as text files."""

    source: ImageSource
    reason: str
    message: str
    failed: bool = True


def skipped_file(path: Path, reason: str, message: str, *, failed: bool = True) -> SkippedFile:
    """Skip a file on disk."""
    return SkippedFile(LocalFile(path), reason, message, failed)


def missing_file(path: Path) -> SkippedFile:
    """Skip a file that does not exist, and say so if its path is a broken link."""
    message = f"broken link to {path.readlink()}" if path.is_symlink() else "there is no such file"
    return skipped_file(path, "file_missing", message)


def checked(image: PushImage) -> PushImage | SkippedFile:
    """Skip an image whose parameter is not an image parameter of the X-ray procedure."""
    try:
        image_kind(image.parameter_stable_id)
    except Rejected as rejected:
        return SkippedFile(image.source, rejected.reason, rejected.message)
    return image
