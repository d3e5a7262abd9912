"""Where the bytes of an image come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from services.common.errors import Rejected


class Source(Protocol):
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
