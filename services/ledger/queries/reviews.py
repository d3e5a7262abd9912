"""Reviews: the curators' verdicts on specimens."""

from dataclasses import dataclass
from datetime import datetime

from services.common.events import Review
from services.ledger.database import Connection, mappings


@dataclass(frozen=True)
class ReviewRecord:
    """A review in the ledger."""

    review_id: str
    recorded_at: datetime
    review: Review


def reviews(
    connection: Connection,
    *,
    biological_sample_id: str | None = None,
    who: str | None = None,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[ReviewRecord]:
    """Return reviews that match all given conditions, the newest verdict first.

    `since` is the earliest time of recording. Reviews of the same time are in order of their ids, so that every reader
    sees the same one as the newest.
    """
    query = """
        select * from review
        where (%(specimen)s::text is null or biological_sample_id = %(specimen)s)
          and (%(who)s::text is null or who = %(who)s)
          and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
        order by reviewed_at desc, review_id desc limit %(limit)s
    """
    found = mappings(connection, query, specimen=biological_sample_id, who=who, since=since, limit=limit)
    return [ReviewRecord(row["review_id"], row["recorded_at"], Review.model_validate(row)) for row in found]


def count_reviews(connection: Connection, since: datetime) -> int:
    """Return how many reviews the ledger has recorded after a moment."""
    [row] = mappings(connection, "select count(*) as reviews from review where recorded_at > %(since)s", since=since)
    return int(row["reviews"])
