"""`xray backfill`."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.options import NewCentreOption, require_centres
from services.cli.output import JsonOption

if TYPE_CHECKING:
    from services.common.events import ImageKind
    from services.common.sources.hosts import AllowedHosts
    from services.ingest.backfill.client import BackfillClient, RateLimiter
    from services.ingest.backfill.query import SolrQuery

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_SOLR: Final = "https://www.ebi.ac.uk/mi/impc/solr"
_HELP: Final = """
Import IMPC's published X-rays: images become events, observations become training labels.

Reads IMPC's public Solr page by page: the core experiment for the observations, then the core impc_images for the
images. Each original file is downloaded, stored and announced on xray.images. Documents without an image or without a
biological_sample_id are named and skipped.

After an interruption, the same command without --restart continues where it stopped. When a finished backfill is run
again, it reads all pages and imports what is new. IMPC has about 170,000 images and 3 million observations, so start
with --dry-run.

--gene leaves out the controls (wild types). Without controls, counts are judged by anatomy; see docs/labels.md.

Examples:

    xray backfill --dry-run
    xray backfill --centre JAX --gene Akt2
    xray backfill --only observations --rate 1
    xray train labels --stored --out labels
"""


class View(StrEnum):
    """The view of an image; `other` is skull, forepaw or hind leg."""

    DV = "DV"
    LAT = "LAT"
    OTHER = "other"


class Part(StrEnum):
    """The two parts of a backfill."""

    IMAGES = "images"
    OBSERVATIONS = "observations"


_Centre = Annotated[list[str] | None, typer.Option(help="Only this centre, such as JAX; may be repeated.")]
_Gene = Annotated[list[str] | None, typer.Option(help="Only this gene, such as Akt2 or MGI:104874; may be repeated.")]
_Procedure = Annotated[
    list[str] | None, typer.Option(help="Only this procedure, such as IMPC_XRY_001. [default: every X-ray procedure]")
]
_View = Annotated[list[View] | None, typer.Option(help="Only images of this view. [default: DV and LAT]")]
_Only = Annotated[Part | None, typer.Option(help="Only the images, or only the observations.")]
_Rate = Annotated[float, typer.Option(min=0.01, max=100, help="Maximum number of requests per second.")]
_Parallel = Annotated[int, typer.Option(min=1, max=16, help="Number of images at a time.")]
_Restart = Annotated[
    bool,
    typer.Option(
        "--restart",
        help="Start at the first page; images that were pushed are still skipped. After an interruption, continue "
        "without this option.",
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count; needs neither Kafka nor S3.")]
_Solr = Annotated[str, typer.Option(help="Address of Solr, without the name of a core.")]
_ImageHost = Annotated[
    list[str] | None,
    typer.Option(
        help="Another host (or host:port) to download images from, besides Solr's; http://host allows plain HTTP. May "
        "be repeated."
    ),
]
_UniqueKey = Annotated[str, typer.Option(help="The uniqueKey of the cores, by which pages are sorted.")]


@app.command(help=_HELP)
def backfill(
    *,
    centre: _Centre = None,
    new_centre: NewCentreOption = False,
    gene: _Gene = None,
    procedure: _Procedure = None,
    view: _View = None,
    only: _Only = None,
    rate: _Rate = 2.0,
    parallel: _Parallel = 4,
    restart: _Restart = False,
    dry_run: _DryRun = False,
    solr: _Solr = _SOLR,
    image_host: _ImageHost = None,
    unique_key: _UniqueKey = "id",
    as_json: JsonOption = False,
) -> None:
    """Build the query, then count or import; `_HELP` is the help text."""
    require_centres(centre or (), new=new_centre)

    from services.ingest.backfill.query import SolrQuery

    query = SolrQuery(
        solr.rstrip("/"),
        _distinct(centre),
        _distinct(gene),
        _distinct(procedure),
        _values(view or [View.DV, View.LAT]),
        unique_key,
    )
    if dry_run:
        _count(query, image_host or (), rate, as_json=as_json)
    elif not _import(query, image_host or (), only, rate, parallel, restart=restart, as_json=as_json):
        raise typer.Exit(1)


def _client(query: SolrQuery, image_hosts: Iterable[str], limiter: RateLimiter) -> tuple[BackfillClient, AllowedHosts]:
    """Return a client, and the hosts that it may contact: Solr's own and those of images."""
    from services.common.settings import load
    from services.ingest.backfill.client import BackfillClient
    from services.ingest.backfill.documents import allowed_hosts, solr_address
    from services.intake.settings import IntakeSettings

    sources = load(IntakeSettings)
    hosts = allowed_hosts(solr_address(query.url), image_hosts, sources.allowed_hosts().private)
    return BackfillClient(limiter, hosts, ca_file=sources.https_ca_file), hosts


def _count(query: SolrQuery, image_hosts: Iterable[str], rate: float, *, as_json: bool) -> None:
    from services.cli.backfill.report import print_count
    from services.ingest.backfill.client import RateLimiter
    from services.ingest.backfill.run import count_documents
    from services.ingest.backfill.solr import Solr

    client, _ = _client(query, image_hosts, RateLimiter(rate, threading.Event()))
    print_count(count_documents(Solr(query, client)), query, rate, as_json=as_json)


def _import(
    query: SolrQuery,
    image_hosts: Iterable[str],
    only: Part | None,
    rate: float,
    parallel: int,
    *,
    restart: bool,
    as_json: bool,
) -> bool:
    """Import, and return whether every image that should have been pushed was."""
    from services.cli.backfill.report import BackfillReport
    from services.common.settings import Settings, load
    from services.ingest.backfill.client import RateLimiter
    from services.ingest.backfill.cursor import Cursors
    from services.ingest.backfill.documents import ImageDownloads, solr_address
    from services.ingest.backfill.query import IMAGES, OBSERVATIONS
    from services.ingest.backfill.run import Backfill
    from services.ingest.backfill.solr import Solr
    from services.ingest.push.journal import default_folder
    from services.ingest.push.upload import connect
    from services.intake.settings import Limits

    report = BackfillReport(as_json=as_json)
    with connect(load(Settings), parallel) as connection:
        client, hosts = _client(query, image_hosts, RateLimiter(rate, connection.uploader.stop))
        images = ImageDownloads(client, solr_address(query.url), hosts, load(Limits).most_bytes)
        path = default_folder() / f"backfill-{connection.cluster}-{query.fingerprint()}.jsonl"
        with Cursors(path, restart=restart) as cursors, report:
            parts = {Part.OBSERVATIONS: OBSERVATIONS, Part.IMAGES: IMAGES}
            cores = [core for part, core in parts.items() if only in {None, part}]
            Backfill(Solr(query, client), images, connection, cursors, report, parallel).run(cores)
    return not report.failed


def _distinct(values: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(sorted(set(values or ())))


def _values(views: Iterable[View]) -> tuple[ImageKind, ...]:
    return tuple(view.value for view in sorted(set(views)))
