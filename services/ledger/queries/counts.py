"""Counts over the whole ledger, and the progress of a cohort of specimens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ledger.database import Connection, rows


@dataclass(frozen=True)
class CohortProgress:
    """Progress of a cohort.

    `images` are announced; `settled` of them have a view or a rejection or are skipped by their parameter; `refused` of
    them have a rejection. `views` are stored. `complete` specimens have a DV and a LAT view, `called` ones a call, and
    the call of `current` ones is based on all their views.
    """

    images: int
    settled: int
    views: int
    complete: int
    called: int
    current: int
    refused: int

    def is_final(self, announced: int) -> bool:
        """Return whether all work is finished, given the number of announced images."""
        return self.images == announced == self.settled and self.current == self.complete


def cohort_progress(connection: Connection, specimens: Sequence[str]) -> CohortProgress:
    """Count the ledger's rows of these specimens."""
    query = """
        with selected as (select unnest(%(specimens)s::text[]) as biological_sample_id),
        views as (
            select biological_sample_id, count(*) as views, count(distinct view) = 2 as complete
            from view join selected using (biological_sample_id) group by 1
        ),
        images as (
            select image.kind = 'other'
                or exists (
                    select from view
                    where view.biological_sample_id = image.biological_sample_id and view.image_sha256 = image.sha256
                ) as accepted,
                exists (select from rejection where rejection.image_event_id = image.event_id) as refused
            from image join selected using (biological_sample_id)
        ),
        decided as (
            select biological_sample_id, jsonb_array_length(views) as members
            from current_call join selected using (biological_sample_id)
            union all
            select biological_sample_id, jsonb_array_length(views)
            from current_abstention join selected using (biological_sample_id)
        )
        select
            (select count(*) from images) as images,
            (select count(*) from images where accepted or refused) as settled,
            (select coalesce(sum(views), 0) from views)::bigint as views,
            (select count(*) from views where complete) as complete,
            (select count(*) from decided) as called,
            (select count(*) from decided join views using (biological_sample_id)
                where members >= views.views) as current,
            (select count(*) from images where refused) as refused
    """
    (found,) = rows(connection, CohortProgress, query, specimens=list(specimens))
    return found


@dataclass(frozen=True)
class CentreCount:
    """Counts of one centre; the row without a centre counts rejected records whose centre was unreadable."""

    centre: str | None
    specimens: int
    complete: int
    called: int
    abnormal: int
    rejected: int
    abstained: int


@dataclass(frozen=True)
class LedgerCount:
    """Rows of each table, the number of incomplete specimens and the oldest announcement among them."""

    specimens: int
    images: int
    views: int
    calls: int
    rejections: int
    incomplete: int
    oldest_incomplete: datetime | None


def centre_counts(connection: Connection) -> list[CentreCount]:
    """Return one row per centre, by name."""
    return rows(connection, CentreCount, "select * from centre_count order by centre nulls last")


def ledger_count(connection: Connection) -> LedgerCount:
    """Count the whole ledger (exactly, so every row is read)."""
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
