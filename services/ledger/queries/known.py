"""What a command line may name: the centres and reason codes that the ledger has seen; and images still at intake."""

from collections.abc import Sequence

from services.ledger.database import Connection, mappings


def known_centres(connection: Connection) -> set[str]:
    """Return every centre that announced an image or has a rejected record."""
    query = "select centre from specimen union select centre from rejection where centre is not null"
    return {row["centre"] for row in mappings(connection, query)}


def known_reasons(connection: Connection) -> set[str]:
    """Return the reason code of every recorded rejection."""
    return {row["reason"] for row in mappings(connection, "select distinct reason from rejection")}


def images_at_intake(connection: Connection, specimens: Sequence[str]) -> dict[str, set[str]]:
    """Return, by specimen, the ids of announced images that intake has not handled: no view and no rejection.

    Images of other parameters (skull, paw, hip) never get a view and are left out. A specimen that has none is left
    out as well.
    """
    query = """
        select biological_sample_id, event_id from image
        where biological_sample_id = any(%(specimens)s::text[]) and kind <> 'other'
          and not exists (
            select from view
            where view.biological_sample_id = image.biological_sample_id
              and (view.image_event_id = image.event_id or view.image_sha256 = image.sha256)
          )
          and not exists (select from image_view where image_view.image_event_id = image.event_id)
          and not exists (select from rejection where rejection.image_event_id = image.event_id)
    """
    found: dict[str, set[str]] = {}
    for row in mappings(connection, query, specimens=list(specimens)):
        found.setdefault(row["biological_sample_id"], set()).add(row["event_id"])
    return found
