"""Withdrawn pictures, and the views that a picture or a specimen stands for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.common.events import CallWithdrawal, ImageWithdrawal
from services.common.events.base import View
from services.ledger.database import Connection, mappings, rows


@dataclass(frozen=True)
class WithdrawalRecord:
    """A withdrawal in the ledger."""

    withdrawal_id: str
    recorded_at: datetime
    withdrawal: ImageWithdrawal


@dataclass(frozen=True)
class AnnouncedView:
    """One picture as one view of a specimen, with the centre that announced it; `withdrawn` if it counts no more."""

    biological_sample_id: str
    centre: str
    view: View
    image_sha256: str
    withdrawn: bool


# The row in `view` names only the first announcement, so that of another centre is found through its announcement.
_VIEWS: Final = """
with stored as (
    select biological_sample_id, centre, view, image_sha256, image_event_id
    from view where biological_sample_id = %(specimen)s
    union
    select image_view.biological_sample_id, image.centre, image_view.view, image_view.image_sha256, image.event_id
    from image_view join image on image.event_id = image_view.image_event_id
    where image_view.biological_sample_id = %(specimen)s
)
select distinct biological_sample_id, centre, view, image_sha256, exists (
    select from withdrawal
    where withdrawal.biological_sample_id = stored.biological_sample_id
      and withdrawal.centre = stored.centre
      and withdrawal.image_sha256 = stored.image_sha256
      and coalesce(withdrawal.view, stored.view) = stored.view
) as withdrawn
from stored
where %(image)s::text is null or starts_with(image_sha256, %(image)s) or starts_with(image_event_id, %(image)s)
order by view, image_sha256, centre
"""


def announced_views(
    connection: Connection, biological_sample_id: str, *, image: str | None = None
) -> list[AnnouncedView]:
    """Return the views of a specimen, or those of one `image`: the beginning of its SHA-256 or of its event id."""
    return rows(connection, AnnouncedView, _VIEWS, specimen=biological_sample_id, image=image)


def withdrawals(connection: Connection, biological_sample_id: str) -> list[WithdrawalRecord]:
    """Return the withdrawals of a specimen's pictures, the newest first."""
    query = """
        select * from withdrawal where biological_sample_id = %(specimen)s
        order by withdrawn_at desc, withdrawal_id desc
    """
    found = mappings(connection, query, specimen=biological_sample_id)
    return [
        WithdrawalRecord(row["withdrawal_id"], row["recorded_at"], ImageWithdrawal.model_validate(row)) for row in found
    ]


def call_withdrawals(connection: Connection, biological_sample_id: str) -> list[CallWithdrawal]:
    """Return the records by which a specimen lost its call, the newest first."""
    query = """
        select * from call_withdrawal where biological_sample_id = %(specimen)s
        order by preprocessing_generation desc, revision desc, call_id desc
    """
    return [CallWithdrawal.model_validate(row) for row in mappings(connection, query, specimen=biological_sample_id)]
