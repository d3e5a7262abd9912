"""The journal of pushed images, by which a run after an interruption repeats nothing.

It is an append-only file of JSON lines and stays correct after `kill -9`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from platformdirs import user_state_path

from services.common.events.base import digest
from services.ingest.push.image import PushImage


class JsonLines:
    """Appends and flushes one line at a time; a torn last line is terminated and counts as not written."""

    def __init__(self, path: Path) -> None:
        """Name the file; entering the context creates its folder and opens it."""
        self.path = path

    def __enter__(self) -> Self:
        """Open for appending."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a", encoding="utf-8")
        if self.path.stat().st_size:
            self._file.write("\n")  # terminates a torn line
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
    """Yield the value of each complete line; nothing if there is no file."""
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


def default_folder() -> Path:
    """Return the folder of the journals: the user's state folder, `~/.local/state/xray` on Linux."""
    return user_state_path("xray")


class UploadJournal(JsonLines):
    """One JSON line per image that was uploaded and whose event the broker acknowledged.

    Each line is written as soon as its image is done. Thread-safe. Use one journal per cluster.
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        """Read the existing entries; with `again`, ignore them."""
        super().__init__(path)
        self._lock = Lock()
        self._done = set() if again else set(_entries(path))

    def has(self, image: PushImage) -> bool:
        """Return whether the same source was pushed with the same values; raises Rejected if it cannot be read."""
        return _fingerprint(image) in self._done

    def add(self, image: PushImage, event_id: str) -> None:
        """Record that this image is done."""
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
        *([image.animal.facts()] if image.animal else []),
    )
