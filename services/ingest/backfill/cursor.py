"""The saved position of a backfill, from which it continues after any interruption."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.ingest.backfill.solr import START
from services.ingest.push.journal import JsonLines, read_lines


@dataclass(frozen=True)
class CursorState:
    """Where the next page of a core begins, and the number of documents before it."""

    cursor: str = START
    seen: int = 0


class Cursors(JsonLines):
    """One JSON line per finished page, written when all its documents are done; a torn last line does not count.

    When all cores are finished, or on request, they start again: new documents are found, and images that were pushed
    are skipped. The restart is recorded at once, so that a run after a kill continues from it.
    """

    def __init__(self, path: Path, *, restart: bool = False) -> None:
        """Read the position of each core."""
        super().__init__(path)
        self._restart = restart
        self._positions = _positions(path)

    def unfinished(self, cores: Sequence[str]) -> list[str]:
        """Return the cores that are not finished; if all are finished, or on a restart, all of them start again."""
        if self._restart or all(core in self._positions and self._positions[core] is None for core in cores):
            for core in cores:
                self.advance(core, CursorState())
        return [core for core in cores if self._positions.get(core, CursorState()) is not None]

    def position(self, core: str) -> CursorState:
        """Return where the next page of an unfinished core begins."""
        return self._positions.get(core) or CursorState()

    def advance(self, core: str, position: CursorState | None) -> None:
        """Record that everything before `position` is done; None means that the core is finished."""
        self._positions[core] = position
        self._append({"core": core, "cursor": position and position.cursor, "seen": position and position.seen})


def _positions(path: Path) -> dict[str, CursorState | None]:
    found: dict[str, CursorState | None] = {}
    for entry in read_lines(path):
        try:
            cursor = entry["cursor"]
            found[str(entry["core"])] = None if cursor is None else CursorState(str(cursor), int(entry["seen"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
