"""What was pushed already, so that a second run after an interruption repeats nothing."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock

from services.common.events.base import digest
from services.ingest.push.image import Image
from services.ingest.push.json_lines import JsonLines, read_lines


def default_folder() -> Path:
    """Return where journals lie: `$XDG_STATE_HOME/xray`, else `~/.local/state/xray`."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "xray"


class Journal(JsonLines):
    """One JSON line for every image that was uploaded and whose event the broker acknowledged.

    Written at once after each image, so that it is right also after `kill -9`; a torn last line counts as not done.
    Thread-safe. Use one journal for one cluster: what was pushed elsewhere was not pushed here.
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        """Read what is there, unless everything is to be done `again`."""
        super().__init__(path)
        self._lock = Lock()
        self._done = set() if again else set(_entries(path))

    def has(self, image: Image) -> bool:
        """Tell whether this image was pushed: the same source with the same statements; raises Rejected without one."""
        return _fingerprint(image) in self._done

    def add(self, image: Image, event_id: str) -> None:
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


def _fingerprint(image: Image) -> str:
    return digest(
        *image.source.fingerprint(),
        image.biological_sample_id,
        image.centre,
        image.parameter_stable_id,
        image.increment,
        image.sha256,
    )
