"""Specimens: the state of one, its whole history, and the incomplete ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from services.common.events import CallAbstention, CallWithdrawal, ImageEvent, ViewReady
from services.ledger.database import Connection, mappings, rows
from services.ledger.queries.calls import CallRecord, abstentions_of, calls_of
from services.ledger.queries.rejections import RejectionSummary, rejections
from services.ledger.queries.reviews import ReviewRecord, reviews
from services.ledger.queries.withdrawals import WithdrawalRecord, call_withdrawals, withdrawals


@dataclass(frozen=True)
class SpecimenState:
    """The state of a specimen.

    `state` is `incomplete` (no DV and LAT of one preprocessing version yet), `complete` (both, no call recorded),
    `called`, `abstained` (the models did not call it, see `call_abstention`) or `withdrawn` (it has lost its call, see
    `call_withdrawal`). `since` is the time of its announcement, of the completing image's announcement, or of what is
    current.
    `images` counts announced images, `skipped` those of other parameters (skull, paw, hip). The views are those of the
    newest preprocessing generation. `rejected` counts rejections that name the specimen.
    """

    biological_sample_id: str
    centre: str
    state: Literal["incomplete", "complete", "called", "abstained", "withdrawn"]
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
    """An announced image: when its first announcement reached the broker, and its position there.

    `kind` is the view that the parameter declares: DV, LAT, other, or unknown for one that is not an X-ray image
    parameter.
    """

    kind: str
    announced_at: datetime
    kafka_partition: int
    kafka_offset: int
    event: ImageEvent


@dataclass(frozen=True)
class SpecimenHistory:
    """All rows of one specimen; `state` is None when only rejections, reviews or withdrawals name it."""

    state: SpecimenState | None
    images: tuple[ImageRecord, ...]
    views: tuple[ViewReady, ...]
    calls: tuple[CallRecord, ...]
    rejections: tuple[RejectionSummary, ...]
    reviews: tuple[ReviewRecord, ...] = ()
    withdrawals: tuple[WithdrawalRecord, ...] = ()
    call_withdrawals: tuple[CallWithdrawal, ...] = ()
    abstentions: tuple[CallAbstention, ...] = ()


@dataclass(frozen=True)
class IncompleteCount:
    """Number of specimens of a centre that lack a DV or a LAT view, and the first announcement of the oldest."""

    centre: str
    specimens: int
    oldest: datetime


def specimen_state(connection: Connection, biological_sample_id: str) -> SpecimenState | None:
    """Return the state of a specimen; None when the ledger has no image, view or call of it."""
    query = "select * from specimen_state where biological_sample_id = %(specimen)s"
    found = rows(connection, SpecimenState, query, specimen=biological_sample_id)
    return found[0] if found else None


def incomplete_specimens(
    connection: Connection, older_than: timedelta, *, centre: str | None = None, limit: int = 100
) -> list[SpecimenState]:
    """Return specimens announced more than `older_than` ago that still lack a DV or a LAT view, oldest first."""
    query = """
        select biological_sample_id, centre, state, since, announced_at, complete_since, images, skipped, dv_views,
               lat_views, rejected, call_id
        from incomplete_specimen
        where announced_at < now() - %(older_than)s and (%(centre)s::text is null or centre = %(centre)s)
        order by announced_at, biological_sample_id limit %(limit)s
    """
    return rows(connection, SpecimenState, query, older_than=older_than, centre=centre, limit=limit)


def incomplete_counts(connection: Connection) -> list[IncompleteCount]:
    """Return one row per centre that has incomplete specimens, by name."""
    query = """
        select centre, count(*) as specimens, min(announced_at) as oldest
        from specimen where complete_since is null group by centre order by centre
    """
    return rows(connection, IncompleteCount, query)


def specimen_history(
    connection: Connection, biological_sample_id: str, *, most_rejections: int = 100
) -> SpecimenHistory | None:
    """Return images, views, calls with their lineage, rejections and reviews of a specimen; None when it is unknown."""
    history = SpecimenHistory(
        specimen_state(connection, biological_sample_id),
        _images(connection, biological_sample_id),
        _views(connection, biological_sample_id),
        tuple(calls_of(connection, biological_sample_id)),
        tuple(rejections(connection, biological_sample_id=biological_sample_id, limit=most_rejections)),
        tuple(reviews(connection, biological_sample_id=biological_sample_id)),
        tuple(withdrawals(connection, biological_sample_id)),
        tuple(call_withdrawals(connection, biological_sample_id)),
        tuple(abstentions_of(connection, biological_sample_id)),
    )
    known = history.state or history.rejections or history.reviews or history.withdrawals
    return history if known else None


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
