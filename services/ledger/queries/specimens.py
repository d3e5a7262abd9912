"""Specimens: the state of one, the incomplete ones, and the whole history of one.

How many specimens wait for a view, by centre.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from services.common.events import ImageEvent, ViewReady
from services.ledger.database import Connection, mappings, rows
from services.ledger.queries.calls import CallRecord, calls_of
from services.ledger.queries.rejections import RejectionSummary, rejections
from services.ledger.queries.reviews import ReviewRecord, reviews


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


@dataclass(frozen=True)
class SpecimenState:
    """Where a specimen stands.

    `state` is `incomplete` (no DV and LAT of one preprocessing version yet), `complete` (both, no call recorded) or
    `called`; `since` when it came to that: the announcement, that of the completing image, or the current call.
    `images` counts announced images; `skipped` those of other parameters (skull, paw, hip); the views are those of the
    newest preprocessing generation; `rejected` counts rejections that name the specimen.
    """

    biological_sample_id: str
    centre: str
    state: Literal["incomplete", "complete", "called"]
    since: datetime
    announced_at: datetime
    complete_since: datetime | None
    images: int
    skipped: int
    dv_views: int
    lat_views: int
    rejected: int
    call_id: str | None


@dataclass(frozen=True)
class ImageRecord:
    """An announced image: when its first announcement reached the broker, and where it lies there.

    `kind` is what the declared parameter stands for: DV, LAT, other, or unknown when it is no X-ray image parameter.
    """

    kind: str
    announced_at: datetime
    kafka_partition: int
    kafka_offset: int
    event: ImageEvent


@dataclass(frozen=True)
class SpecimenHistory:
    """All that the ledger holds of one specimen; `state` is None when only rejections or reviews name it."""

    state: SpecimenState | None
    images: tuple[ImageRecord, ...]
    views: tuple[ViewReady, ...]
    calls: tuple[CallRecord, ...]
    rejections: tuple[RejectionSummary, ...]
    reviews: tuple[ReviewRecord, ...] = ()


def specimen_state(connection: Connection, biological_sample_id: str) -> SpecimenState | None:
    """Return where a specimen stands; None when neither an image nor a view nor a call of it was seen."""
    query = "select * from specimen_state where biological_sample_id = %(specimen)s"
    found = rows(connection, SpecimenState, query, specimen=biological_sample_id)
    return found[0] if found else None


def incomplete_specimens(
    connection: Connection, older_than: timedelta, *, centre: str | None = None, limit: int = 100
) -> list[SpecimenState]:
    """Return specimens announced longer ago than `older_than` that still lack a DV or a LAT view, oldest first."""
    query = """
        select biological_sample_id, centre, state, since, announced_at, complete_since, images, skipped, dv_views,
               lat_views, rejected, call_id
        from incomplete_specimen
        where announced_at < now() - %(older_than)s and (%(centre)s::text is null or centre = %(centre)s)
        order by announced_at, biological_sample_id limit %(limit)s
    """
    return rows(connection, SpecimenState, query, older_than=older_than, centre=centre, limit=limit)


def specimen_history(
    connection: Connection, biological_sample_id: str, *, most_rejections: int = 100
) -> SpecimenHistory | None:
    """Return images, views, calls with their lineage, rejections and reviews of a specimen; None if it is unknown."""
    history = SpecimenHistory(
        specimen_state(connection, biological_sample_id),
        _images(connection, biological_sample_id),
        _views(connection, biological_sample_id),
        tuple(calls_of(connection, biological_sample_id)),
        tuple(rejections(connection, biological_sample_id=biological_sample_id, limit=most_rejections)),
        tuple(reviews(connection, biological_sample_id=biological_sample_id)),
    )
    return history if history.state or history.rejections or history.reviews else None


def _images(connection: Connection, biological_sample_id: str) -> tuple[ImageRecord, ...]:
    query = "select * from image where biological_sample_id = %(specimen)s order by announced_at, event_id"
    return tuple(_image(row) for row in mappings(connection, query, specimen=biological_sample_id))


def _image(row: Mapping[str, Any]) -> ImageRecord:
    event = ImageEvent.model_validate(row)
    return ImageRecord(row["kind"], row["announced_at"], row["kafka_partition"], row["kafka_offset"], event)


def _views(connection: Connection, biological_sample_id: str) -> tuple[ViewReady, ...]:
    query = """
        select * from view where biological_sample_id = %(specimen)s
        order by preprocessing_generation desc, view, image_sha256
    """
    return tuple(ViewReady.model_validate(row) for row in mappings(connection, query, specimen=biological_sample_id))
