"""Counts over the whole ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.ledger.database import Connection, rows


@dataclass(frozen=True)
class CentreCount:
    """Received against called, for one centre; the row without a centre counts records whose centre was unreadable."""

    centre: str | None
    specimens: int
    complete: int
    called: int
    abnormal: int
    rejected: int


@dataclass(frozen=True)
class LedgerCount:
    """Rows of each table, and the incomplete specimens with the oldest announcement among them."""

    specimens: int
    images: int
    views: int
    calls: int
    rejections: int
    incomplete: int
    oldest_incomplete: datetime | None


def centre_counts(connection: Connection) -> list[CentreCount]:
    """Return one row a centre, by name."""
    return rows(connection, CentreCount, "select * from centre_count order by centre nulls last")


def ledger_count(connection: Connection) -> LedgerCount:
    """Count the whole ledger (exact, so it reads it all)."""
    query = """
        select
            (select count(*) from specimen) as specimens,
            (select count(*) from image) as images,
            (select count(*) from view) as views,
            (select count(*) from call) as calls,
            (select count(*) from rejection) as rejections,
            count(*) as incomplete,
            min(announced_at) as oldest_incomplete
        from specimen where complete_since is null
    """
    (count,) = rows(connection, LedgerCount, query)
    return count
