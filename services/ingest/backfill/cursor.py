"""How far a backfill has come, so that it goes on after any end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.ingest.backfill.solr import START
from services.ingest.push.journal import JsonLines, read_lines


@dataclass(frozen=True)
class CursorState:
    """Where the next page of a core begins, and how many documents lie before it."""

    cursor: str = START
    seen: int = 0


class Cursors(JsonLines):
    """One JSON line a finished page, written when all of its documents are done; a torn last line does not count.

    Once all cores are finished, or on request, they begin anew: what is new since then is found, and what was pushed is
    skipped. The new beginning is noted at once, so that whoever goes on after a kill goes on from it.
    """

    def __init__(self, path: Path, *, restart: bool = False) -> None:
        """Read how far each core was."""
        super().__init__(path)
        self._restart = restart
        self._standing = _standings(path)

    def unfinished(self, cores: Sequence[str]) -> list[str]:
        """Tell which of these cores are still to be done; if none is, or if told to restart, all begin anew."""
        if self._restart or all(core in self._standing and self._standing[core] is None for core in cores):
            for core in cores:
                self.advance(core, CursorState())
        return [core for core in cores if self._standing.get(core, CursorState()) is not None]

    def standing(self, core: str) -> CursorState:
        """Tell where the next page of an unfinished core begins."""
        return self._standing.get(core) or CursorState()

    def advance(self, core: str, standing: CursorState | None) -> None:
        """Note that everything before `standing` is done; None: the core is finished."""
        self._standing[core] = standing
        self._append({"core": core, "cursor": standing and standing.cursor, "seen": standing and standing.seen})


def _standings(path: Path) -> dict[str, CursorState | None]:
    found: dict[str, CursorState | None] = {}
    for entry in read_lines(path):
        try:
            cursor = entry["cursor"]
            found[str(entry["core"])] = None if cursor is None else CursorState(str(cursor), int(entry["seen"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
