"""`xray backfill`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from services.cli.backfill.progress import BackfillProgress
from services.cli.output import JsonOption
from services.common.settings import Settings, load
from services.ingest.backfill.client import BackfillClient, RateLimiter
from services.ingest.backfill.count import count, show
from services.ingest.backfill.cursor import Cursors
from services.ingest.backfill.documents import ImageDownloads
from services.ingest.backfill.query import IMAGES, OBSERVATIONS, SolrQuery
from services.ingest.backfill.run import Backfill
from services.ingest.backfill.solr import Solr
from services.ingest.push.journal import default_folder
from services.ingest.push.upload import PushSession, session
from services.intake.settings import Limits

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_SOLR: Final = "https://www.ebi.ac.uk/mi/impc/solr"


class View(StrEnum):
    """What a picture shows; `other` is skull, forepaw, hind leg."""

    DV = "DV"
    LAT = "LAT"
    OTHER = "other"


class Part(StrEnum):
    """The two halves of a backfill."""

    IMAGES = "images"
    OBSERVATIONS = "observations"


_CORES: Final = {Part.OBSERVATIONS: OBSERVATIONS, Part.IMAGES: IMAGES}


@app.command()
def backfill(
    *,
    centre: Annotated[list[str] | None, typer.Option(help="Only this centre's, say JAX; may be repeated.")] = None,
    gene: Annotated[
        list[str] | None, typer.Option(help="Only this gene's, say Akt2 or MGI:104874; may be repeated.")
    ] = None,
    procedure: Annotated[
        list[str] | None, typer.Option(help="Only this procedure, say IMPC_XRY_001. [default: every X-ray procedure]")
    ] = None,
    view: Annotated[list[View] | None, typer.Option(help="Only such pictures. [default: DV and LAT]")] = None,
    only: Annotated[Part | None, typer.Option(help="Only the pictures, or only the observations.")] = None,
    rate: Annotated[float, typer.Option(min=0.01, max=100, help="At most so many requests a second.")] = 2.0,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Pictures in flight.")] = 4,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Begin at the first page; what was pushed is still skipped. If this is stopped or killed, go on "
            "without it.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; needs neither Kafka nor S3.")] = False,
    solr: Annotated[str, typer.Option(help="Address of Solr, up to the name of a core.")] = _SOLR,
    image_host: Annotated[
        list[str] | None, typer.Option(help="Host to download pictures from, besides Solr's own; may be repeated.")
    ] = None,
    unique_key: Annotated[str, typer.Option(help="The cores' uniqueKey, by which pages are sorted.")] = "id",
    as_json: JsonOption = False,
) -> None:
    """Take IMPC's published X-rays into this system: pictures become events, observations become labels for training.

    Reads IMPC's public Solr, core impc_images for the pictures and core experiment for the observations, page by page.
    Each original file is downloaded, stored and announced on xray.images. Documents without a picture or without a
    biological_sample_id are named and left out; nothing is invented.

    Stopped, killed or cut off, the same command without --restart goes on where it was. Run again later, it looks
    through all pages and takes what is new. Everything of IMPC is some 170,000 pictures and 3 million observations:
    begin with --dry-run.

    Without the controls (wild types, which a --gene leaves out) counts are judged by anatomy: docs/labels.md.

    Examples:

        xray backfill --dry-run
        xray backfill --centre JAX --gene Akt2
        xray backfill --only observations --rate 1
        xray train labels --stored --out labels
    """
    query = SolrQuery(
        solr.rstrip("/"),
        tuple(sorted(set(centre or ()))),
        tuple(sorted(set(gene or ()))),
        tuple(sorted(set(procedure or ()))),
        tuple(view.value for view in sorted(set(view or (View.DV, View.LAT)))),
        unique_key,
    )
    if dry_run:
        with _counting(query, rate) as asked:
            show(count(asked), query, rate, as_json=as_json)
        return
    cores = [core for part, core in _CORES.items() if only in {None, part}]
    hosts = frozenset({urlsplit(query.url).hostname or "", *(image_host or ())})
    telling = BackfillProgress(as_json=as_json)
    with _prepared(query, hosts, telling, rate=rate, parallel=parallel, restart=restart) as prepared:
        prepared.run(cores)
    if telling.failed:
        raise typer.Exit(1)


@contextmanager
def _counting(query: SolrQuery, rate: float) -> Iterator[Solr]:
    with closing(BackfillClient(RateLimiter(rate, threading.Event()))) as client:
        yield Solr(query, client)


@contextmanager
def _prepared(
    query: SolrQuery, hosts: frozenset[str], telling: BackfillProgress, *, rate: float, parallel: int, restart: bool
) -> Iterator[Backfill]:
    with (
        session(load(Settings), parallel) as run,
        closing(BackfillClient(RateLimiter(rate, run.uploader.stop))) as client,
    ):
        pictures = ImageDownloads(client, query.url, hosts, load(Limits).most_bytes)
        with _cursors(query, run, restart=restart) as cursors, telling:
            yield Backfill(Solr(query, client), pictures, run, cursors, telling, parallel)


def _cursors(query: SolrQuery, run: PushSession, *, restart: bool) -> Cursors:
    return Cursors(default_folder() / f"backfill-{run.cluster}-{query.fingerprint()}.jsonl", restart=restart)
