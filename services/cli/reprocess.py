"""`xray reprocess`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import chain
from typing import Annotated

import typer

from services.cli.options import moment_or_age
from services.cli.output import JsonOption, console, print_json
from services.common.errors import Rejected
from services.common.kafka.clients import publisher
from services.common.settings import ServiceSettings, load
from services.common.store import ObjectStore
from services.ledger.database import Connection, ledger
from services.ledger.queries import Selection, count_specimens, specimens_after
from services.operations.reprocess.progress import ReprocessProgress
from services.operations.reprocess.run import PATIENCE_SECONDS, Publisher, Reprocessing, ReprocessThrottle, pages
from services.operations.reprocess.source import OutdatedOriginals, OutdatedTensors, ReprocessSource, SpecimenStatus
from services.registry.active_models import ActiveModels

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
_NAMED = 20


@app.command()
def recall(
    specimens: Annotated[list[str] | None, typer.Argument(help="Only these specimens.")] = None,
    *,
    from_originals: Annotated[
        bool, typer.Option("--from-originals", help="Standardise the stored images anew, for a new preprocessing.")
    ] = False,
    centre: Annotated[str | None, typer.Option(help="Only this centre's.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=moment_or_age, metavar="AGE|TIME", help="Only specimens first announced since, say 30d."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=moment_or_age, metavar="AGE|TIME", help="Only specimens first announced before, say 1d."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Recall at most so many specimens.")] = None,
    rate: Annotated[float, typer.Option(min=0.01, max=1000, help="Publish at most so many records a second.")] = 20.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be recalled.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Have past specimens called anew: by the model versions that serve now, or from their originals.

    Without --from-originals: every specimen whose current call was made by other versions than those that are active
    (xray models list). Its stored tensor is announced again, the classifier calls it, and the new call supersedes the
    old one, which stays in the history. A newer revision is never superseded.

    With --from-originals: every image whose views are of an older preprocessing. Its announcement is published again
    and intake takes the stored original; grouping, fusing and calling follow as for a new image.

    Live images come first: nothing is published while the service that reads it has more than 64 records waiting.
    Stopped or killed, the same command goes on; what is done is not done again. Exit code 1 when nothing came of
    something for two minutes.

    Examples:

        xray reprocess --dry-run
        xray reprocess --centre JAX --since 30d
        xray reprocess 183808 183809
        xray reprocess --from-originals --rate 5
    """
    settings = load(ServiceSettings)
    names = tuple(sorted(set(specimens))) if specimens else None
    selection = Selection(names, centre, since, until)
    with ledger(settings) as connection, closing(ActiveModels(settings)) as active:
        _require_known(connection, names)
        source: ReprocessSource = (
            OutdatedOriginals(connection) if from_originals else OutdatedTensors(connection, active)
        )
        telling = ReprocessProgress(count_specimens(connection, selection))
        found = pages(connection, source, selection)
        in_vain: list[str] = []
        if dry_run:
            _count(found, telling, limit)
        else:
            with _prepared(settings, source, telling, rate) as run, telling:
                in_vain = run.run(found, limit)
    _tell(telling, in_vain, source, dry_run=dry_run, as_json=as_json)
    if in_vain:
        raise typer.Exit(1)


def _require_known(connection: Connection, names: tuple[str, ...] | None) -> None:
    if names is None:
        return
    found = specimens_after(connection, Selection(names), None, limit=len(names))
    unknown = sorted(set(names) - {one.biological_sample_id for one in found})
    if unknown:
        listing = ", ".join(unknown[:_NAMED])
        raise Rejected("specimen_unknown", f"the ledger knows no specimen {listing}; nothing was recalled")


def _count(pages_of_found: Iterable[Sequence[SpecimenStatus]], telling: ReprocessProgress, limit: int | None) -> None:
    left = limit
    for one in chain.from_iterable(pages_of_found):
        if one.publications and left == 0:
            break
        left = left - 1 if one.publications and left is not None else left
        telling.looked_at(one)
        telling.published(one)


@contextmanager
def _prepared(
    settings: ServiceSettings, source: ReprocessSource, telling: ReprocessProgress, rate: float
) -> Iterator[Reprocessing]:
    store = ObjectStore(settings)
    store.check_bucket()
    with (
        publisher(settings) as producer,
        closing(ReprocessThrottle(settings, source.reader, source.topic, rate)) as pace,
    ):
        yield Reprocessing(source, store, Publisher(producer, source.topic, pace), telling)


def _tell(
    telling: ReprocessProgress, in_vain: list[str], source: ReprocessSource, *, dry_run: bool, as_json: bool
) -> None:
    if as_json:
        print_json(telling.document(dry_run=dry_run) | {"in_vain": in_vain})
    else:
        console().print(telling.table())
        words = "would be published" if dry_run else "published"
        typer.echo(f"{telling.records} records {words} on {source.topic.name}", err=True)
    if in_vain:
        typer.echo(
            f"nothing came of {len(in_vain)} specimens for {PATIENCE_SECONDS:.0f} s: {', '.join(in_vain[:_NAMED])}"
            f"{' ...' if len(in_vain) > _NAMED else ''}; look at xray status, xray models list and "
            "xray rejections list --counts, then recall again",
            err=True,
        )
