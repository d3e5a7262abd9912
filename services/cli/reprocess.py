"""`xray reprocess`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.options import moment_or_age, require_known
from services.cli.output import JsonOption, console, print_json, table

if TYPE_CHECKING:
    from services.cli.reprocess_display import ReprocessDisplay
    from services.common.settings import ServiceSettings
    from services.ledger.database import Connection
    from services.ledger.queries import Selection
    from services.operations.reprocess.progress import ReprocessCounts
    from services.operations.reprocess.run import Reprocessing
    from services.operations.reprocess.source import ReprocessSource, SpecimenStatus

app = typer.Typer(add_completion=False)
_MOST_LISTED: Final = 20


def _age(help_: str) -> object:
    return typer.Option(parser=moment_or_age, metavar="AGE|TIME", help=help_)


@app.command()
def reprocess(
    specimens: Annotated[list[str] | None, typer.Argument(metavar="SPECIMEN...", help="Only these specimens.")] = None,
    *,
    from_originals: Annotated[
        bool, typer.Option("--from-originals", help="Standardise the stored images with a newer preprocessing version.")
    ] = False,
    centre: Annotated[str | None, typer.Option(help="Only specimens of this centre.")] = None,
    since: Annotated[datetime | None, _age("Only specimens first announced since, such as 30d.")] = None,
    until: Annotated[datetime | None, _age("Only specimens first announced before, such as 1d.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most specimens to reprocess.")] = None,
    rate: Annotated[float, typer.Option(min=0.01, max=1000, help="Most records to publish per second.")] = 20.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be reprocessed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Re-run calls for past specimens, with the model versions that serve now or from the original images.

    Without --from-originals: every specimen whose current call, or abstention, was made by other versions than the
    active ones (xray models list), or compared with another reference (xray references list). Its stored tensor is
    announced again, the classifier calls it, and the new call supersedes the old one, which stays in the history. A
    newer revision is never superseded.

    With --from-originals: every image whose views come from an older preprocessing version. Its announcement is
    published again, and intake reads the stored original; grouping, fusion and calling follow as for a new image.

    Live images come first: nothing is published while the service that reads it has more than 64 records waiting. If
    it is stopped or killed, the same command continues; what is done is not repeated. Exit code 1 when a specimen has
    had no result for two minutes.

    Examples:

        xray reprocess --dry-run
        xray reprocess --centre JAX --since 30d
        xray reprocess 183808 183809
        xray reprocess --from-originals --rate 5
    """
    from services.common.settings import ServiceSettings, load
    from services.ledger.queries import Selection
    from services.operations.servers import require

    settings = load(ServiceSettings)
    require(settings, "kafka", "objects", "postgres")
    names = tuple(sorted(set(specimens))) if specimens else None
    selection = Selection(names, centre, since, until)
    _run(settings, selection, from_originals=from_originals, limit=limit, rate=rate, dry_run=dry_run, as_json=as_json)


def _run(
    settings: ServiceSettings,
    selection: Selection,
    *,
    from_originals: bool,
    limit: int | None,
    rate: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    from services.cli.reprocess_display import ReprocessDisplay
    from services.ledger.database import ledger
    from services.ledger.queries import count_specimens
    from services.operations.reprocess.run import pages
    from services.operations.reprocess.source import OutdatedOriginals, OutdatedTensors
    from services.registry.active_models import ActiveModels
    from services.registry.references.active import ActiveReferences

    with (
        ledger(settings) as connection,
        closing(ActiveModels(settings)) as models,
        closing(ActiveReferences(settings)) as references,
    ):
        _check(connection, selection)
        source: ReprocessSource = (
            OutdatedOriginals(connection) if from_originals else OutdatedTensors(connection, models, references)
        )
        display = ReprocessDisplay(count_specimens(connection, selection))
        found = pages(connection, source, selection)
        without_result: list[str] = []
        if dry_run:
            _count(found, display, limit)
        else:
            with _prepared(settings, source, display, rate) as run, display:
                without_result = run.run(found, limit)
    _report(display, without_result, source.topic.name, dry_run=dry_run, as_json=as_json)
    if without_result:
        raise typer.Exit(1)


def _check(connection: Connection, selection: Selection) -> None:
    """Raise for a centre or specimens that the ledger does not know: typer.BadParameter, Rejected."""
    from services.common.errors import Rejected
    from services.ledger.queries import Selection, known_centres, specimens_after

    if selection.centre is not None:
        require_known(selection.centre, known_centres(connection), "centre", "--centre")
    if selection.specimens is None:
        return
    names = selection.specimens
    found = specimens_after(connection, Selection(names), None, limit=len(names))
    unknown = sorted(set(names) - {one.biological_sample_id for one in found})
    if unknown:
        listing = ", ".join(unknown[:_MOST_LISTED])
        raise Rejected("specimen_unknown", f"the ledger has no specimen {listing}; nothing was reprocessed")


def _count(pages_of_found: Iterable[Sequence[SpecimenStatus]], counts: ReprocessCounts, limit: int | None) -> None:
    left = limit
    for one in chain.from_iterable(pages_of_found):
        if one.publications and left == 0:
            break
        left = left - 1 if one.publications and left is not None else left
        counts.looked_at(one)
        counts.published(one)


@contextmanager
def _prepared(
    settings: ServiceSettings, source: ReprocessSource, display: ReprocessDisplay, rate: float
) -> Iterator[Reprocessing]:
    from services.common.kafka.clients import publisher
    from services.common.store import ObjectStore
    from services.operations.reprocess.run import Publisher, Reprocessing, ReprocessThrottle

    store = ObjectStore(settings)
    store.check_bucket()
    with (
        publisher(settings) as producer,
        closing(ReprocessThrottle(settings, source.reader, source.topic, rate)) as throttle,
    ):
        yield Reprocessing(source, store, Publisher(producer, source.topic, throttle), display)


def _report(counts: ReprocessCounts, without_result: list[str], topic: str, *, dry_run: bool, as_json: bool) -> None:
    from services.operations.reprocess.run import PATIENCE_SECONDS
    from services.operations.reprocess.source import STANDINGS

    if as_json:
        print_json(counts.to_json(dry_run=dry_run) | {"without_result": without_result})
    else:
        columns = ("centre", *(f"{standing.replace('_', ' ')}#" for standing in STANDINGS))
        console().print(table("Specimens before this run", columns, counts.rows()))
        published = "would be published" if dry_run else "published"
        typer.echo(f"{counts.records} records {published} on {topic}", err=True)
    if without_result:
        listing = ", ".join(without_result[:_MOST_LISTED]) + (" ..." if len(without_result) > _MOST_LISTED else "")
        typer.echo(
            f"no result for {len(without_result)} specimens within {PATIENCE_SECONDS:.0f} s: {listing}; look at xray "
            "status, xray models list and xray rejections list --counts, then run xray reprocess again",
            err=True,
        )
