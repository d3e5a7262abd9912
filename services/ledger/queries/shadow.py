"""Candidates in shadow: on how many specimens and in which labels they differ from the calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.types.json import Jsonb

from services.ledger.database import Connection, mappings, rows

_LABELLED: Final = """
with compared as (select * from current_shadow_call where versions = %(versions)s),
decided as (
    select 'Abnormal' as label, 0 as place, abnormal as candidate, 'Abnormal' = any(differs) as differs from compared
    union all
    select one.label, one.place, one.bit = 1, one.label = any(differs)
    from compared cross join lateral unnest(labels, vector) with ordinality as one(label, bit, place)
)
select label,
    count(*) filter (where candidate <> differs) as called,
    count(*) filter (where candidate) as candidate,
    count(*) filter (where differs) as differs
from decided group by label, place order by place
"""


@dataclass(frozen=True)
class ShadowSummary:
    """One candidate: its specimens, those on which it differs in any label, and those from which it would abstain.

    The response times are Triton's, in seconds.
    """

    versions: dict[str, int]
    specimens: int
    differing: int
    abstained: int
    seconds_p50: float
    seconds_p99: float
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class ShadowLabel:
    """Counts of one label on one candidate's specimens: positive in the calls, positive by the candidate, different."""

    label: str
    called: int
    candidate: int
    differs: int


def shadow_summaries(connection: Connection) -> list[ShadowSummary]:
    """Return every compared candidate, the most recently compared first."""
    query = """
        select versions, count(*) as specimens, count(*) filter (where differs <> '{}') as differing,
            count(*) filter (where reasons <> '{}') as abstained,
            percentile_cont(0.5) within group (order by seconds) as seconds_p50,
            percentile_cont(0.99) within group (order by seconds) as seconds_p99,
            min(produced_at) as first_at, max(produced_at) as last_at
        from current_shadow_call group by versions order by max(produced_at) desc
    """
    return rows(connection, ShadowSummary, query)


def shadow_labels(connection: Connection, versions: Mapping[str, int]) -> list[ShadowLabel]:
    """Return the counts of one candidate by label: Abnormal first, then in the order of a call."""
    return rows(connection, ShadowLabel, _LABELLED, versions=Jsonb(dict(versions)))


def shadowed_specimens(connection: Connection, versions: Mapping[str, int]) -> int:
    """Count the specimens on which one candidate was compared."""
    query = "select count(distinct biological_sample_id) as specimens from shadow_call where versions = %(versions)s"
    (row,) = mappings(connection, query, versions=Jsonb(dict(versions)))
    return int(row["specimens"])
