"""`xray models shadow|retire`, and what `promote` asks of a candidate's time in shadow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Annotated

import typer

from services.cli.models.arguments import Who, chosen, print_record
from services.cli.options import user
from services.cli.output import JsonOption, print_json
from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.common.settings import Settings, load
from services.ledger.database import ledger
from services.ledger.queries import shadowed_specimens
from services.registry.bucket import repository_of
from services.registry.retire import retire
from services.registry.shadow import shadow, stop_shadow
from services.registry.triton_client import connect


def shadow_(
    versions: Annotated[list[str] | None, typer.Argument(help="MODEL=VERSION, one or more.")] = None,
    *,
    why: Annotated[str, typer.Option(help="Why, in a sentence; it stands in the record.")] = "",
    who: Who = None,
    share: Annotated[float, typer.Option(min=0.0001, max=1, help="Share of the specimens to ask it about.")] = 0.1,
    stop: Annotated[bool, typer.Option("--stop", help="Ask the present candidate no more.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask a candidate about a share of the specimens, beside the versions that call; it changes no call.

    It is admitted by the same checks as a promotion. Models that are not named take part with the version that serves.
    `xray models show` says how it compares.

    Examples:

        xray models shadow convnext=2 cae=2 --share 0.2 --why "trained with the reviews of May"

        xray models shadow --stop
    """
    if stop == bool(versions):
        raise typer.BadParameter("give MODEL=VERSION, or --stop", param_hint="VERSIONS")
    if not (stop or why):
        raise typer.BadParameter("say why", param_hint="--why")
    settings, person = load(Settings), who or user()
    if stop:
        record = stop_shadow(settings, why=why or "stopped", who=person)
    else:
        record = _put(settings, chosen(versions or []), share, why, person)
    print_record(record, f"shadow {record.activation}, share {record.share}", as_json=as_json)


def retire_(
    model: Annotated[str, typer.Argument(help="Name of a model.")],
    version: Annotated[int, typer.Argument(min=1, help="Its version.")],
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete its files too; its number stays taken.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Have Triton unload a version that neither serves, stands by for a rollback nor is in shadow.

    Examples:

        xray models retire convnext 1

        xray models retire convnext 1 --delete
    """
    settings = load(Settings)
    with closing(connect(settings.triton_grpc)) as client:
        done = retire(settings, client, repository_of(settings), model, version, delete=delete)
    if as_json:
        print_json({"model": model, "version": version, "unloaded": done.unloaded, "deleted": done.deleted})
        return
    words = [word for word, yes in (("unloaded", done.unloaded), ("deleted", done.deleted)) if yes]
    typer.echo(f"{model} {version}: {' and '.join(words) or 'was retired already'}")


def shadowed_before(settings: Settings, least: int) -> Callable[[Mapping[str, int]], None]:
    """Return a demand on a promotion: this very set was in shadow on `least` specimens, as the ledger counts them.

    It raises Rejected(`not_shadowed_enough`), Retriable when PostgreSQL is away.
    """

    def require(versions: Mapping[str, int]) -> None:
        if least:
            with ledger(settings) as connection:
                found = shadowed_specimens(connection, versions)
            if found < least:
                words = f"these versions were in shadow on {found} specimens, wanted are {least}: `xray models shadow`"
                raise Rejected("not_shadowed_enough", words, found=found, wanted=least)

    return require


def _put(settings: Settings, versions: dict[str, int], share: float, why: str, who: str) -> ModelActivation:
    repository = repository_of(settings)
    with closing(connect(settings.triton_grpc)) as client:
        return shadow(settings, client, repository, versions, share=share, why=why, who=who)
