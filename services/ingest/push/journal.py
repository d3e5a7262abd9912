"""What was pushed already, so that a second run after an interruption repeats nothing.

An append-only file of JSON lines that is right also after `kill -9`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from services.common.events.base import digest
from services.ingest.push.image import PushImage


class JsonLines:
    """Appends one line at a time and at once; a torn last line is ended, and counts as not written."""

    def __init__(self, path: Path) -> None:
        """Name the file; entering opens it, and makes its folder."""
        self.path = path

    def __enter__(self) -> Self:
        """Open for appending."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a", encoding="utf-8")
        if self.path.stat().st_size:
            self._file.write("\n")  # ends a torn line
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self._file.close()

    def _append(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()


def read_lines(path: Path) -> Iterator[Any]:
    """Yield what each whole line says; none if there is no file."""
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


def default_folder() -> Path:
    """Return where journals lie: `$XDG_STATE_HOME/xray`, else `~/.local/state/xray`."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "xray"


class UploadJournal(JsonLines):
    """One JSON line for every image that was uploaded and whose event the broker acknowledged.

    Written at once after each image, so that it is right also after `kill -9`; a torn last line counts as not done.
    Thread-safe. Use one journal for one cluster: what was pushed elsewhere was not pushed here.
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        """Read what is there, unless everything is to be done `again`."""
        super().__init__(path)
        self._lock = Lock()
        self._done = set() if again else set(_entries(path))

    def has(self, image: PushImage) -> bool:
        """Tell whether this image was pushed: the same source with the same statements; raises Rejected without one."""
        return _fingerprint(image) in self._done

    def add(self, image: PushImage, event_id: str) -> None:
        """Note that this image is done."""
        entry = {"done": _fingerprint(image), "event_id": event_id, "file": str(image.source)}
        with self._lock:
            self._append(entry)


def _entries(path: Path) -> list[str]:
    entries: list[str] = []
    for entry in read_lines(path):
        try:
            entries.append(entry["done"])
        except (KeyError, TypeError):
            continue
    return entries


def _fingerprint(image: PushImage) -> str:
    return digest(
        *image.source.fingerprint(),
        image.biological_sample_id,
        image.centre,
        image.parameter_stable_id,
        image.increment,
        image.sha256,
    )
