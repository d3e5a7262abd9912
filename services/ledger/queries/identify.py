"""Finds the specimen that an id leads to: its own, the centre's, that of anything recorded of it, or a beginning."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, LiteralString

from services.common.errors import Rejected
from services.ledger.database import Connection, mappings, rows

IdKind = Literal["specimen", "centre_id", "beginning", "event", "image", "call", "review", "rejection"]
_DIGEST: Final = re.compile(r"[0-9a-f]{6,64}")
_MOST: Final = 5
_EXACT: Final[LiteralString] = """
    select 'specimen' as kind, biological_sample_id from specimen where biological_sample_id = %(text)s
    union
    select 'specimen', biological_sample_id from rejection where biological_sample_id = %(text)s
    union
    select 'specimen', biological_sample_id from review where biological_sample_id = %(text)s
"""
_BY_CENTRE_ID: Final[LiteralString] = """
    select distinct 'centre_id' as kind, biological_sample_id from centre_id where centre_id = %(text)s limit 100
"""
_BY_BEGINNING: Final[LiteralString] = """
    (select distinct 'beginning' as kind, biological_sample_id from specimen
     where starts_with(biological_sample_id, %(text)s) limit 100)
    union
    (select distinct 'beginning', biological_sample_id from centre_id where starts_with(centre_id, %(text)s) limit 100)
"""
# A specimen id of 32 digits is one that was derived from the centre's (services/ingest/submissions/content.py).
_BY_DIGEST: Final[LiteralString] = """
    select 'specimen' as kind, biological_sample_id from specimen
    where starts_with(biological_sample_id, %(text)s) and biological_sample_id ~ '^[0-9a-f]{32}$'
    union all
    select 'event', biological_sample_id from image where starts_with(event_id, %(text)s)
    union all
    select 'image', biological_sample_id from image where starts_with(sha256, %(text)s)
    union all
    select 'image', biological_sample_id from view where starts_with(image_sha256, %(text)s)
    union all
    select 'call', biological_sample_id from call where starts_with(call_id, %(text)s)
    union all
    select 'review', biological_sample_id from review where starts_with(review_id, %(text)s)
    union all
    select 'rejection', biological_sample_id from rejection
    where starts_with(rejection_id, %(text)s) or starts_with(image_event_id, %(text)s)
    limit 100
"""


@dataclass(frozen=True)
class IdentifiedSpecimen:
    """The specimen that an id leads to (None for a rejected record that names none), and the kind of the id.

    `centre_id` is the centre's own id, `beginning` the first characters of a specimen's id or of a centre's own. The
    other kinds but `specimen` are digests, by at least six of their first characters.
    """

    kind: IdKind
    biological_sample_id: str | None


def find_specimen(connection: Connection, text: str) -> IdentifiedSpecimen | None:
    """Find the specimen with exactly this id, else with this centre's id, else by the beginning of an id or a digest.

    None when there is none. Raises Rejected(`id_ambiguous`) with the candidates when the text leads to several.
    """
    digests = [_BY_DIGEST] if _DIGEST.fullmatch(text) else []
    for queries in ([_EXACT], [_BY_CENTRE_ID], [*digests, _BY_BEGINNING]):
        found = [one for query in queries for one in rows(connection, IdentifiedSpecimen, query, text=text)]
        if len({one.biological_sample_id for one in found}) > 1:
            listing = _listing(connection, [one.biological_sample_id for one in found])
            raise Rejected("id_ambiguous", f"{text!r} leads to several specimens: {listing}; give more of the id")
        if found:
            return found[0]
    return None


def specimen_named(connection: Connection, text: str) -> str:
    """Return the specimen that an id leads to, or the text itself if it leads to none.

    Raises Rejected(`id_ambiguous`) with the candidates when it leads to several.
    """
    found = find_specimen(connection, text)
    return text if found is None else found.biological_sample_id or text


def _listing(connection: Connection, specimens: Sequence[str | None]) -> str:
    """List the first specimens, each with the centre's own id and the centre where they are known."""
    names = sorted({name or "(no specimen)" for name in specimens})
    query = """
        select biological_sample_id, max(centre_id) as centre_id, min(centre) as centre
        from centre_id where biological_sample_id = any(%(names)s) group by biological_sample_id
    """
    known = {row["biological_sample_id"]: row for row in mappings(connection, query, names=names[:_MOST])}

    def described(name: str) -> str:
        row = known.get(name, {})
        more = ", ".join(filter(None, (row.get("centre_id"), row.get("centre"))))
        return f"{name} ({more})" if more else name

    return ", ".join(map(described, names[:_MOST])) + (", ..." if len(names) > _MOST else "")
