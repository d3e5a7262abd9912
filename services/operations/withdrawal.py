"""Takes pictures out of their specimen: finds the views that an id stands for and publishes their withdrawals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.common.errors import Rejected
from services.common.events import ImageWithdrawal
from services.common.events.base import View
from services.common.kafka.clients import publisher
from services.common.settings import Settings
from services.common.topics import WITHDRAWN
from services.ledger.database import Connection
from services.ledger.queries import AnnouncedView, announced_views, find_specimen

_ACKNOWLEDGED_SECONDS: Final = 60


@dataclass(frozen=True)
class WithdrawalRequest:
    """What is withdrawn: an image by the beginning of its SHA-256 or event id, or all images of a specimen.

    `view` and `centre` restrict it to images that stand as this view, or that this centre announced.
    """

    wanted: str
    view: View | None = None
    centre: str | None = None


def find_views(connection: Connection, request: WithdrawalRequest) -> list[AnnouncedView]:
    """Return the views that a request names, also those that are withdrawn already.

    Raises Rejected: `id_unknown`, `id_ambiguous`, `not_an_image` for the id of a call, review or rejection, `no_view`
    if nothing is left to withdraw.
    """
    found = find_specimen(connection, request.wanted)
    if found is None:
        raise Rejected("id_unknown", f"the ledger knows no specimen and no image {request.wanted!r}")
    if found.biological_sample_id is None or found.kind not in {"specimen", "event", "image"}:
        raise Rejected("not_an_image", f"{request.wanted!r} is the id of a {found.kind}; give a specimen or an image")
    image = None if found.kind == "specimen" else request.wanted
    views = [
        view
        for view in announced_views(connection, found.biological_sample_id, image=image)
        if request.view in {None, view.view} and request.centre in {None, view.centre}
    ]
    if not views:
        raise Rejected("no_view", f"{request.wanted!r} has no such view in the ledger; see `xray trace`")
    return views


def withdrawals_of(
    views: Sequence[AnnouncedView], *, reason: str, who: str, withdrawn_at: datetime
) -> list[ImageWithdrawal]:
    """Return the withdrawals of those views that still count."""
    return [
        ImageWithdrawal(
            biological_sample_id=view.biological_sample_id,
            centre=view.centre,
            image_sha256=view.image_sha256,
            view=view.view,
            reason=reason,
            who=who,
            withdrawn_at=withdrawn_at,
        )
        for view in views
        if not view.withdrawn
    ]


def publish(settings: Settings, withdrawals: Sequence[ImageWithdrawal]) -> None:
    """Publish and wait for the broker. Sending a withdrawal again changes nothing.

    Raises Retriable when the broker is unreachable, Fatal when the topic is missing.
    """
    with publisher(settings) as producer:
        futures = [producer.send(WITHDRAWN.name, key=one.key.encode(), value=one.encode()) for one in withdrawals]
        for future in futures:
            future.get(timeout=_ACKNOWLEDGED_SECONDS)
