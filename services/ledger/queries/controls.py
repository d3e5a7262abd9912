"""Controls: the models' outputs for them, from which references are built, and how many each centre has.

A control is a specimen whose images say so, and whose current call or abstention has no flag of a view.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

from services.common.events.specimen import ABSTAINING_FLAGS
from services.ledger.database import Connection, mappings, rows

_DECIDED: Final[LiteralString] = """
with decided as (
    select call_id, biological_sample_id, centre, animal, announced_at from current_call
    where animal ->> 'sample_group' = 'control'
    union all
    select call_id, biological_sample_id, centre, animal, announced_at from current_abstention
    where animal ->> 'sample_group' = 'control' and not reasons && %(flags)s
)
"""
_OUTPUTS: Final[LiteralString] = """,
        measured as (
            select call_id from call_output
            where (model, version) in (select * from unnest(%(models)s::text[], %(versions)s::integer[]))
              and scores is not null and features is not null
            group by call_id having count(*) = %(members)s
        ),
        newest as (
            select *, row_number() over (partition by centre order by announced_at desc, biological_sample_id) as place
            from decided join measured using (call_id)
        )
        select biological_sample_id, centre, animal ->> 'sex' as sex,
            animal ->> 'strain_accession_id' as strain_accession_id, model, scores, features
        from newest join call_output using (call_id)
        where place <= %(most)s and model = any(%(models)s)
        order by centre, biological_sample_id, model
"""
_FAMILIARITY: Final[LiteralString] = """,
        control as (select centre, count(*) as controls from decided group by centre),
        known as (
            select distinct centre from specimen
            where complete_since is not null
        )
        select known.centre, count(outcome.abstained) as first,
            count(*) filter (where outcome.abstained) as first_abstained, coalesce(max(controls), 0) as controls
        from known
        left join control using (centre)
        left join lateral (
            select current_abstention.call_id is not null as abstained
            from specimen
            left join current_call using (biological_sample_id)
            left join current_abstention using (biological_sample_id)
            where specimen.centre = known.centre and specimen.complete_since is not null
              and (current_call.call_id is not null or current_abstention.call_id is not null)
            order by specimen.complete_since, specimen.biological_sample_id
            limit %(first)s
        ) as outcome on true
        group by known.centre order by known.centre
"""


@dataclass(frozen=True)
class ControlOutput:
    """What one model version gave for one control: `scores` (14 logits) and `features`."""

    biological_sample_id: str
    centre: str
    sex: str | None
    strain_accession_id: str | None
    model: str
    scores: tuple[float, ...]
    features: tuple[float, ...]


@dataclass(frozen=True)
class CentreFamiliarity:
    """A centre's first specimens with a call or an abstention, those of them with an abstention, and its controls."""

    centre: str
    first: int
    first_abstained: int
    controls: int


def control_outputs(connection: Connection, versions: Mapping[str, int], most: int) -> list[ControlOutput]:
    """Return the outputs of these versions for the newest controls of each centre, at most `most` of them each.

    A control counts only if every version has scores and features for its current call or abstention.
    """
    query = _DECIDED + _OUTPUTS
    found = mappings(
        connection,
        query,
        flags=sorted(ABSTAINING_FLAGS),
        models=list(versions),
        versions=list(versions.values()),
        members=len(versions),
        most=most,
    )
    return [
        ControlOutput(**dict(row) | {"scores": tuple(row["scores"]), "features": tuple(row["features"])})
        for row in found
    ]


def centre_familiarity(connection: Connection, first: int) -> list[CentreFamiliarity]:
    """Return one row per centre, by name; `first` is how many of its first specimens count."""
    query = _DECIDED + _FAMILIARITY
    return rows(connection, CentreFamiliarity, query, flags=sorted(ABSTAINING_FLAGS), first=first)
