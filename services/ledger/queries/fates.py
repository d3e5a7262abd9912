"""The fate of every announced image, for `xray reconcile` and the sink's gauges."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from services.common.topics import CALLS, SPECIMENS, TENSORS
from services.ledger.database import Connection, mappings, rows

Fate = Literal["called", "incomplete", "rejected", "skipped", "uncalled", "unseen"]
"""`called`: a call, or an abstention in its place, uses it. `incomplete`: it has a view, but the specimen lacks a DV or
a LAT view. `rejected`: no call uses it, and the image or a set with its view was rejected or withdrawn. `skipped`: an
image of another parameter (skull, paw, hip). `uncalled`: the views are complete, but no call uses this one. `unseen`:
it has neither a view nor a rejection.
"""

# The view of the newest preprocessing generation decides. Without a recorded view (the ledger was rebuilt after the
# records on the topic of views had expired) a call with the announced digest still counts.
_FATES: Final = """
with announced as (
    select event_id, biological_sample_id, centre, kind, sha256, announced_at, kafka_partition, kafka_offset
    from image where %(since)s::timestamptz is null or announced_at >= %(since)s
),
standardised as (
    select image_event_id, preprocessing_generation, preprocessing_version, image_sha256
    from image_view where image_event_id in (select event_id from announced)
    union all
    select event_id, preprocessing_generation, preprocessing_version, image_sha256
    from announced join view using (biological_sample_id)
    where view.image_event_id = announced.event_id or view.image_sha256 = announced.sha256
),
looked_at as (
    select distinct on (image_event_id) image_event_id, preprocessing_version, image_sha256
    from standardised
    order by image_event_id, preprocessing_generation desc, preprocessing_version
),
complete as (
    select biological_sample_id, preprocessing_version, true as yes
    from view where biological_sample_id in (select biological_sample_id from announced)
    group by biological_sample_id, preprocessing_version having count(distinct view) = 2
),
member as (
    select distinct decided.biological_sample_id, decided.preprocessing_version, one ->> 'image_sha256' as image_sha256
    from (
        select biological_sample_id, preprocessing_version, views from call
        union all
        select biological_sample_id, preprocessing_version, views from call_abstention
    ) as decided
    cross join lateral jsonb_array_elements(decided.views) as one
    where decided.biological_sample_id in (select biological_sample_id from announced)
),
named as (select distinct biological_sample_id, image_sha256 from member),
refused_set as (
    select distinct biological_sample_id, preprocessing_version, image_sha256
    from unnest(%(specimens)s::text[], %(versions)s::text[], %(digests)s::text[])
        as refused(biological_sample_id, preprocessing_version, image_sha256)
),
refused as (
    select image_event_id, bool_or(source_topic = 'xray.views') as as_view
    from rejection where image_event_id in (select event_id from announced) group by image_event_id
),
withheld as (
    select distinct biological_sample_id, preprocessing_version, true as yes
    from current_withdrawal where biological_sample_id in (select biological_sample_id from announced)
),
taken_out as (
    select biological_sample_id, centre, image_sha256
    from withdrawal where biological_sample_id in (select biological_sample_id from announced)
    group by biological_sample_id, centre, image_sha256
),
fate as (
    select announced.event_id, announced.biological_sample_id, announced.centre, announced.announced_at,
        announced.kafka_partition, announced.kafka_offset, looked_at.preprocessing_version, looked_at.image_sha256,
        case
            when announced.kind = 'other' then 'skipped'
            when member.image_sha256 is not null then 'called'
            when looked_at.image_event_id is null and named.image_sha256 is not null then 'called'
            when refused_set.image_sha256 is not null or refused.as_view then 'rejected'
            when taken_out.image_sha256 is not null then 'rejected'
            when looked_at.image_event_id is not null and withheld.yes then 'rejected'
            when looked_at.image_event_id is not null and complete.yes is null then 'incomplete'
            when looked_at.image_event_id is not null then 'uncalled'
            when refused.image_event_id is not null then 'rejected'
            else 'unseen'
        end as fate
    from announced
    left join looked_at on looked_at.image_event_id = announced.event_id
    left join complete using (biological_sample_id, preprocessing_version)
    left join member using (biological_sample_id, preprocessing_version, image_sha256)
    left join refused_set using (biological_sample_id, preprocessing_version, image_sha256)
    left join withheld using (biological_sample_id, preprocessing_version)
    left join taken_out
        on taken_out.biological_sample_id = announced.biological_sample_id and taken_out.centre = announced.centre
        and taken_out.image_sha256 = looked_at.image_sha256
    left join named
        on named.biological_sample_id = announced.biological_sample_id and named.image_sha256 = announced.sha256
    left join refused on refused.image_event_id = announced.event_id
)
"""
_EACH: Final = "select * from fate order by announced_at, event_id"
_COUNTED: Final = """
select centre, fate, count(*) as images, min(announced_at) as oldest from fate group by centre, fate order by 1, 2
"""


@dataclass(frozen=True)
class ImageFate:
    """One announcement: the position of its first record on `xray.images`, and its fate.

    `preprocessing_version` and `image_sha256` are those of its view, None while it has none.
    """

    event_id: str
    biological_sample_id: str
    centre: str
    announced_at: datetime
    kafka_partition: int
    kafka_offset: int
    preprocessing_version: str | None
    image_sha256: str | None
    fate: Fate


@dataclass(frozen=True)
class FateCount:
    """Announcements of one centre with the same fate, and when the oldest of them was announced."""

    centre: str
    fate: Fate
    images: int
    oldest: datetime


@dataclass(frozen=True)
class UnreadableRecord:
    """A record of `xray.images` that was rejected because it is not a readable announcement."""

    centre: str | None
    kafka_partition: int
    kafka_offset: int


def image_fates(connection: Connection, *, since: datetime | None = None) -> list[ImageFate]:
    """Return every image whose first announcement reached the broker at `since` or later."""
    return rows(connection, ImageFate, _FATES + _EACH, since=since, **_refused_sets(connection, since))


def fate_counts(connection: Connection, *, since: datetime | None = None) -> list[FateCount]:
    """Count the images of `image_fates` by centre and fate."""
    return rows(connection, FateCount, _FATES + _COUNTED, since=since, **_refused_sets(connection, since))


def recorded_images(connection: Connection, event_ids: Sequence[str]) -> set[str]:
    """Return which of these events are recorded."""
    query = "select event_id from image where event_id = any(%(events)s)"
    return {row["event_id"] for row in mappings(connection, query, events=list(event_ids))}


def refused_images(connection: Connection, event_ids: Sequence[str]) -> set[str]:
    """Return which of these events were rejected by any service."""
    query = "select distinct image_event_id from rejection where image_event_id = any(%(events)s)"
    return {row["image_event_id"] for row in mappings(connection, query, events=list(event_ids))}


def unreadable_records(connection: Connection) -> list[UnreadableRecord]:
    """Return the positions on `xray.images` whose record was rejected as unreadable."""
    query = """
        select max(centre) as centre, source_partition as kafka_partition, source_offset as kafka_offset
        from rejection where source_topic = 'xray.images' and image_event_id is null
        group by source_partition, source_offset
    """
    return rows(connection, UnreadableRecord, query)


def _refused_sets(connection: Connection, since: datetime | None) -> dict[str, list[str]]:
    """Return specimens, versions and digests of the views of every revision that was rejected as a whole."""
    query = """
        select original from rejection
        where source_topic = any(%(topics)s) and original is not null
          and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
    """
    topics = [SPECIMENS.name, TENSORS.name, CALLS.name]
    found = [one for row in mappings(connection, query, topics=topics, since=since) for one in _views(row["original"])]
    return {name: [one[index] for one in found] for index, name in enumerate(("specimens", "versions", "digests"))}


def _views(original: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield the views in a rejected record; all three events have the same fields. Other records yield nothing."""
    try:
        fields: dict[str, Any] = json.loads(original)
        for view in fields["views"]:
            yield fields["biological_sample_id"], fields["preprocessing_version"], view["image_sha256"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return
