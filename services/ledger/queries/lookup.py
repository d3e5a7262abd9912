"""Whose is this id? A specimen's, an image event's, a picture's digest, a call's, a review's or a rejection's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from services.common.errors import Rejected
from services.ledger.database import Connection, rows

Kind = Literal["specimen", "event", "image", "call", "review", "rejection"]
_DIGEST: Final = re.compile(r"[0-9a-f]{6,64}")
_MOST: Final = 5


@dataclass(frozen=True)
class IdentifiedSpecimen:
    """The specimen that an id leads to, and what kind of id it is; None for a refused record that names no specimen."""

    kind: Kind
    biological_sample_id: str | None


def find(connection: Connection, text: str) -> IdentifiedSpecimen | None:
    """Look for a specimen of this very id, else for a digest that begins so; None when the ledger knows neither.

    Raises Rejected(`id_ambiguous`) when it leads to several specimens.
    """
    query = "select 'specimen' as kind, biological_sample_id from specimen where biological_sample_id = %(text)s"
    found = rows(connection, IdentifiedSpecimen, query, text=text)
    if not found and _DIGEST.fullmatch(text):
        found = _by_digest(connection, text)
    specimens = sorted({one.biological_sample_id or "(no specimen)" for one in found})
    if len(specimens) > 1:
        listing = ", ".join(specimens[:_MOST]) + (", ..." if len(specimens) > _MOST else "")
        raise Rejected("id_ambiguous", f"{text!r} leads to several specimens: {listing}")
    return found[0] if found else None


def _by_digest(connection: Connection, beginning: str) -> list[IdentifiedSpecimen]:
    query = """
        select 'event' as kind, biological_sample_id from image where starts_with(event_id, %(beginning)s)
        union all
        select 'image', biological_sample_id from image where starts_with(sha256, %(beginning)s)
        union all
        select 'image', biological_sample_id from view where starts_with(image_sha256, %(beginning)s)
        union all
        select 'call', biological_sample_id from call where starts_with(call_id, %(beginning)s)
        union all
        select 'review', biological_sample_id from review where starts_with(review_id, %(beginning)s)
        union all
        select 'rejection', biological_sample_id from rejection
        where starts_with(rejection_id, %(beginning)s) or starts_with(image_event_id, %(beginning)s)
        limit 100
    """
    return rows(connection, IdentifiedSpecimen, query, beginning=beginning)
