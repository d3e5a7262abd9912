"""How many specimens wait for a view, by centre."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.ledger.database import Connection
from services.ledger.queries.read import rows


@dataclass(frozen=True)
class IncompleteCount:
    """Specimens of a centre that lack a DV or a LAT view, and the first announcement of the oldest."""

    centre: str
    specimens: int
    oldest: datetime


def incomplete_counts(connection: Connection) -> list[IncompleteCount]:
    """Return one row a centre that has incomplete specimens, by name."""
    query = """
        select centre, count(*) as specimens, min(announced_at) as oldest
        from specimen where complete_since is null group by centre order by centre
    """
    return rows(connection, IncompleteCount, query)
