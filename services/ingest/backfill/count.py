"""`--dry-run`: how much there is, from a few requests that return no documents."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass

from services.cli.output import console, print_json, seconds, table
from services.ingest.backfill.query import IMAGES, OBSERVATIONS, SolrQuery
from services.ingest.backfill.solr import Solr
from services.ingest.push.upload import insist


@dataclass(frozen=True)
class DocumentCount:
    """Documents by what would become of them; a document may lack both picture and id."""

    images: int
    without_picture: int
    without_biological_sample_id: int
    observations: int


def count(solr: Solr) -> DocumentCount:
    """Ask Solr; raises Retriable or Fatal."""
    never = threading.Event()

    def number(core: str, *filters: str) -> int:
        return insist(lambda: solr.count(core, *filters), never)

    return DocumentCount(
        images=number(IMAGES),
        without_picture=number(IMAGES, 'omero_id:"-1"'),
        without_biological_sample_id=number(IMAGES, "-biological_sample_id:[* TO *]"),
        observations=number(OBSERVATIONS),
    )


def show(counted: DocumentCount, query: SolrQuery, rate: float, *, as_json: bool) -> None:
    """Print the counts, and how long the pictures would take at this rate at best."""
    if as_json:
        print_json(asdict(counted) | {"filters": {core: query.filters(core) for core in (IMAGES, OBSERVATIONS)}})
        return
    rows = [
        ("images", counted.images),
        ("  without a picture (omero_id -1)", counted.without_picture),
        ("  without a biological_sample_id", counted.without_biological_sample_id),
        ("observations", counted.observations),
    ]
    console().print(table(f"At {query.url}", ("documents", "number#"), rows))
    pictures = max(counted.images - counted.without_picture, 0)
    console().print(f"At {rate:g} requests a second the pictures take at least {seconds(pictures / rate)}.")
