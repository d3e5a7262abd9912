"""How far a backfill has come, so that it goes on after any end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from services.cli.backfill.solr import START


@dataclass(frozen=True)
class Standing:
    """Where the next page of a core begins, and how many documents lie before it."""

    cursor: str = START
    seen: int = 0


class Cursors:
    """One JSON line a finished page, written when all of its documents are done; a torn last line does not count.

    A core that was finished begins anew: what is new since then is found, and what was pushed is skipped.
    """

    def __init__(self, path: Path, *, restart: bool = False) -> None:
        """Read how far each core was, unless all is to begin anew."""
        self.path = path
        self._standing = {} if restart else _standings(path)

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

    def standing(self, core: str) -> Standing:
        """Tell where a core's next page begins."""
        return self._standing.get(core, Standing())

    def advance(self, core: str, standing: Standing | None) -> None:
        """Note that everything before `standing` is done; None: the core is finished."""
        self._standing[core] = standing or Standing()
        now = self._standing[core]
        self._file.write(json.dumps({"core": core, "cursor": now.cursor, "seen": now.seen}) + "\n")
        self._file.flush()


def _standings(path: Path) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                found[str(entry["core"])] = Standing(str(entry["cursor"]), int(entry["seen"]))
            except (ValueError, KeyError, TypeError):
                continue
    return found
