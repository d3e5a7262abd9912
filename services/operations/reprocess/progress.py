"""Counts specimens and records while past specimens are reprocessed."""

from collections import Counter
from typing import Any

from services.operations.reprocess.source import STANDINGS, SpecimenStatus


class ReprocessCounts:
    """Receives every step; a command may extend it to show progress."""

    def __init__(self, specimens: int) -> None:
        """Expect this number of specimens."""
        self.specimens = specimens
        self.records = self.looked_at_count = self.settled_count = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def looked_at(self, found: SpecimenStatus) -> None:
        """Count a specimen by its centre and standing."""
        self._counts[found.centre, found.standing] += 1
        self.looked_at_count += 1

    def published(self, found: SpecimenStatus) -> None:
        """Count the records of a specimen that the broker has received, or in a dry run would receive."""
        self.records += len(found.publications)

    def held(self, waiting: int) -> None:
        """Take note that live traffic comes first: `waiting` records are unread."""

    def settled(self) -> None:
        """Count a specimen whose new call or views are in the ledger."""
        self.settled_count += 1

    def to_json(self, *, dry_run: bool) -> dict[str, Any]:
        """Return the counts in total and by centre."""
        total = {standing: sum(self._counts[centre, standing] for centre in self._centres()) for standing in STANDINGS}
        centres = [
            {"centre": centre} | {standing: self._counts[centre, standing] for standing in STANDINGS}
            for centre in self._centres()
        ]
        return {"dry_run": dry_run, "records": self.records, "total": total, "centres": centres}

    def rows(self) -> list[tuple[object, ...]]:
        """Return one row per centre and one for the total, each with the counts in the order of `STANDINGS`."""
        rows = [(centre, *(self._counts[centre, one] for one in STANDINGS)) for centre in self._centres()]
        total = (sum(self._counts[centre, one] for centre in self._centres()) for one in STANDINGS)
        return [*rows, ("total", *total)]

    def _centres(self) -> list[str]:
        return sorted({centre for centre, _ in self._counts})
