"""Queries of `xray reprocess`: specimens page by page, and images whose views are of older preprocessing."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.types.json import Jsonb

from services.common.events import ImageEvent
from services.common.reprocess import REPROCESS_HEADER
from services.ledger.database import Connection, mappings, rows

# An announcement's view is found as in `fates`. A call with the announced digest counts as a view that the ledger no
# longer has.
_OUTDATED: Final = """
with announced as (
    select * from image where biological_sample_id = any(%(specimens)s::text[]) and kind in ('DV', 'LAT')
),
seen as (
    select image_event_id as event_id, preprocessing_generation, image_sha256
    from image_view where image_event_id in (select event_id from announced)
    union all
    select announced.event_id, view.preprocessing_generation, view.image_sha256
    from announced join view using (biological_sample_id)
    where view.image_event_id = announced.event_id or view.image_sha256 = announced.sha256
    union all
    select announced.event_id, call.preprocessing_generation, announced.sha256
    from announced join call using (biological_sample_id)
    where call.views @> jsonb_build_array(jsonb_build_object('image_sha256', announced.sha256))
),
newest as (
    select distinct on (event_id) event_id, preprocessing_generation, image_sha256 as original_sha256
    from seen order by event_id, preprocessing_generation desc, image_sha256
)
select announced.*, newest.original_sha256
from announced join newest using (event_id)
where newest.preprocessing_generation < %(generation)s and not exists (
    select from rejection where rejection.image_event_id = announced.event_id and rejection.headers @> %(reprocessed)s
)
order by announced.biological_sample_id, announced.announced_at, announced.event_id
"""


@dataclass(frozen=True)
class Selection:
    """Selects specimens by name (None: all), centre and first announcement, from `since` until before `until`."""

    specimens: tuple[str, ...] | None = None
    centre: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class KnownSpecimen:
    """A specimen and the centre that announced it first."""

    biological_sample_id: str
    centre: str


@dataclass(frozen=True)
class StoredImage:
    """An announcement and the digest of its original in object storage."""

    event: ImageEvent
    original_sha256: str


def count_specimens(connection: Connection, selection: Selection) -> int:
    """Count the specimens that `specimens_after` returns in total."""
    query = """
        select count(*) as specimens from specimen
        where (%(specimens)s::text[] is null or biological_sample_id = any(%(specimens)s))
          and (%(centre)s::text is null or centre = %(centre)s)
          and (%(since)s::timestamptz is null or announced_at >= %(since)s)
          and (%(until)s::timestamptz is null or announced_at < %(until)s)
    """
    (row,) = mappings(connection, query, **_values(selection))
    return int(row["specimens"])


def specimens_after(
    connection: Connection, selection: Selection, after: str | None, *, limit: int
) -> list[KnownSpecimen]:
    """Return the next specimens after an id (None: from the beginning), in order of their ids."""
    query = """
        select biological_sample_id, centre from specimen
        where (%(after)s::text is null or biological_sample_id > %(after)s)
          and (%(specimens)s::text[] is null or biological_sample_id = any(%(specimens)s))
          and (%(centre)s::text is null or centre = %(centre)s)
          and (%(since)s::timestamptz is null or announced_at >= %(since)s)
          and (%(until)s::timestamptz is null or announced_at < %(until)s)
        order by biological_sample_id limit %(limit)s
    """
    return rows(connection, KnownSpecimen, query, **_values(selection), after=after, limit=limit)


def outdated_images(
    connection: Connection, specimens: Sequence[str], preprocessing_version: str, preprocessing_generation: int
) -> list[StoredImage]:
    """Return the DV and LAT images whose views are all of an older generation, grouped by specimen.

    Images that never had a view are not included (`xray rejections replay` handles them), nor are images that were
    rejected when they were reprocessed for this version.
    """
    mark = [[REPROCESS_HEADER, base64.b64encode(preprocessing_version.encode()).decode()]]
    found = mappings(
        connection,
        _OUTDATED,
        specimens=list(specimens),
        generation=preprocessing_generation,
        reprocessed=Jsonb(mark),
    )
    return [StoredImage(ImageEvent.model_validate(row), row["original_sha256"]) for row in found]


def _values(selection: Selection) -> dict[str, object]:
    named = None if selection.specimens is None else list(selection.specimens)
    return {"specimens": named, "centre": selection.centre, "since": selection.since, "until": selection.until}
