"""Finds the image files that a submission names."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import JsonValue

from services.common.errors import Rejected
from services.ingest.push.image import ImageSource, LocalFile

_FETCHED: Final = frozenset({"s3", "https"})
_ON_DISK: Final = frozenset({"", "file"})


@dataclass(frozen=True)
class RemoteMedia:
    """An image at an address; it counts as the same image while the address is unchanged."""

    uri: str
    fetch: Callable[[str], bytes]

    def __str__(self) -> str:
        return self.uri

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(urlsplit(self.uri).path).name or self.uri

    def fingerprint(self) -> tuple[JsonValue, ...]:
        """The address."""
        return (self.uri,)

    def read(self) -> bytes:
        """Fetch; raises what `fetch` raises."""
        return self.fetch(self.uri)


def locate(uri: str, folder: Path, fetch: Callable[[str], bytes]) -> ImageSource:
    """Find the image that a submission names by a URI.

    A file below `folder` takes precedence: a relative path, a file: URI, or the path of any other URI
    (ftp://host/a/b.dcm is a/b.dcm), also with its %-escapes resolved. Otherwise s3: and https: are fetched. Raises
    Rejected `media_missing`, `media_outside` (a path that leads out of the folder) or `media_uri`.
    """
    try:
        parts = urlsplit(uri)
        scheme = parts.scheme if len(parts.scheme) > 1 else ""  # C:\scans\1.dcm has no scheme
    except ValueError as error:
        raise Rejected("media_uri", f"{uri!r} is not a URI: {error}") from error
    path = parts.path if scheme else uri
    below = _below(path, folder, absolute=scheme in _ON_DISK)
    if below is not None:
        return LocalFile(below)
    if scheme in _FETCHED:
        return RemoteMedia(uri, fetch)
    if scheme in _ON_DISK:
        raise Rejected("media_missing", f"there is no {path.lstrip('/')} below {folder}; see --media")
    message = f"{scheme}: is not fetched, and there is no {path.lstrip('/')} below {folder}; see --media"
    raise Rejected("media_missing", message)


def _below(path: str, folder: Path, *, absolute: bool) -> Path | None:
    """Return the file with this path below the folder, or None; raises Rejected `media_outside`.

    Links inside the folder are followed: the folder's owner created them, but the centre wrote the path.
    """
    root = folder.absolute()
    for text in dict.fromkeys((path, unquote(path))):
        if "\0" in text:
            continue
        given = text.replace("\\", "/")
        on_disk = absolute and given.startswith("/") and Path(given).is_file()
        found = Path(os.path.normpath(given if on_disk else root / given.lstrip("/")))
        if not found.is_relative_to(root):
            raise Rejected("media_outside", f"{path} is outside {folder}; only files below it (--media) are sent")
        if found.is_file():
            return folder / found.relative_to(root)
    return None
