"""`xray models shadow|retire`, and what `promote` requires of a candidate's time in shadow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.models.arguments import Model, Who, model_versions, print_record
from services.cli.options import settings_for, user
from services.cli.output import JsonOption, print_json

if TYPE_CHECKING:
    from services.common.events import ModelActivation
    from services.common.settings import Settings


def shadow_(
    versions: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL=VERSION...", help="One or more versions.")
    ] = None,
    *,
    why: Annotated[str, typer.Option(help="The reason, in a sentence; it is kept in the record.")] = "",
    who: Who = None,
    share: Annotated[float, typer.Option(min=0.0001, max=1, help="Share of the specimens to try it on.")] = 0.1,
    stop: Annotated[bool, typer.Option("--stop", help="Stop trying the present candidate.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Try a candidate on a share of the specimens.

    It runs in parallel with the versions that make the calls and changes no call. It must pass the same checks as for
    a promotion. A model that is not named takes part with its active version. `xray models show` shows how the
    candidate compares.

    Examples:

        xray models shadow convnext=2 cae=2 --share 0.2 --why "trained with the reviews of May"
        xray models shadow --stop
    """
    from services.registry.shadow import stop_shadow

    if stop == bool(versions):
        raise typer.BadParameter("give MODEL=VERSION, or --stop", param_hint="MODEL=VERSION")
    if not (stop or why):
        raise typer.BadParameter("give a reason", param_hint="--why")
    person = who or user()
    if stop:
        record = stop_shadow(settings_for("kafka"), why=why or "stopped", who=person)
    else:
        record = _start(settings_for("kafka", "triton"), model_versions(versions or []), share, why, person)
    print_record(record, f"shadow {record.activation}, share {record.share}", as_json=as_json)


def retire_(
    model: Model,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Its version.")],
    *,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete its files as well; its number is not used again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Unload a version that is no longer needed.

    A version that makes the calls, is kept for a rollback or is in shadow cannot be retired.

    Examples:

        xray models retire convnext 1
        xray models retire convnext 1 --delete
    """
    from services.registry.bucket import repository_of
    from services.registry.shadow import retire
    from services.registry.triton_client import connect

    settings = settings_for("kafka", "triton")
    with closing(connect(settings)) as client:
        done = retire(settings, client, repository_of(settings), model, version, delete=delete)
    if as_json:
        print_json({"model": model, "version": version, "unloaded": done.unloaded, "deleted": done.deleted})
        return
    changes = [change for change, yes in (("unloaded", done.unloaded), ("deleted", done.deleted)) if yes]
    typer.echo(f"{model} {version}: {' and '.join(changes) or 'was already retired'}")


def shadowed_before(settings: Settings, least: int) -> Callable[[Mapping[str, int]], None]:
    """Return a check for a promotion: exactly these versions were in shadow on `least` specimens, by the ledger.

    It raises Rejected(`not_shadowed_enough`), Retriable when PostgreSQL is unreachable.
    """

    def require(versions: Mapping[str, int]) -> None:
        from services.common.errors import Rejected
        from services.ledger.database import ledger
        from services.ledger.queries import shadowed_specimens

        if least:
            with ledger(settings) as connection:
                found = shadowed_specimens(connection, versions)
            if found < least:
                message = (
                    f"these versions were in shadow on {found} specimens, needed are {least}: `xray models shadow`"
                )
                raise Rejected("not_shadowed_enough", message, found=found, wanted=least)

    return require


def _start(settings: Settings, versions: dict[str, int], share: float, why: str, who: str) -> ModelActivation:
    from services.registry.bucket import repository_of
    from services.registry.shadow import shadow
    from services.registry.triton_client import connect

    repository = repository_of(settings)
    with closing(connect(settings)) as client:
        return shadow(settings, client, repository, versions, share=share, why=why, who=who)
