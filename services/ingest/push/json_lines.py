"""An append-only file of JSON lines that is right also after `kill -9`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self


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
