"""Counts over the whole ledger.

How far the specimens of one run have come, by the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ledger.database import Connection, rows


@dataclass(frozen=True)
class CohortProgress:
    """Rows of one run: images announced, images settled (a view, a rejection, or skipped by parameter), views,
    complete specimens, specimens with a call, specimens whose call rests on all their views, images refused.
    """

    images: int
    settled: int
    views: int
    complete: int
    called: int
    current: int
    refused: int

    def is_final(self, announced: int) -> bool:
        """Whether nothing is under way any more, given how many images were announced."""
        return self.images == announced == self.settled and self.current == self.complete


def cohort_progress(connection: Connection, specimens: Sequence[str]) -> CohortProgress:
    """Count what the ledger holds of these specimens."""
    query = """
        with wanted as (select unnest(%(specimens)s::text[]) as biological_sample_id),
        views as (
            select biological_sample_id, count(*) as views, count(distinct view) = 2 as complete
            from view join wanted using (biological_sample_id) group by 1
        ),
        images as (
            select image.kind = 'other'
                or exists (
                    select from view
                    where view.biological_sample_id = image.biological_sample_id and view.image_sha256 = image.sha256
                ) as accepted,
                exists (select from rejection where rejection.image_event_id = image.event_id) as refused
            from image join wanted using (biological_sample_id)
        )
        select
            (select count(*) from images) as images,
            (select count(*) from images where accepted or refused) as settled,
            (select coalesce(sum(views), 0) from views)::bigint as views,
            (select count(*) from views where complete) as complete,
            (select count(*) from current_call join wanted using (biological_sample_id)) as called,
            (select count(*) from current_call join views using (biological_sample_id)
                where revision >= views.views) as current,
            (select count(*) from images where refused) as refused
    """
    (found,) = rows(connection, CohortProgress, query, specimens=list(specimens))
    return found


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
