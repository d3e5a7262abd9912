"""`xray models list|show|add|promote|rollback`."""

from __future__ import annotations

import getpass
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from services.cli.models.listing import Listed, listed, shown
from services.cli.output import JsonOption, console, print_json, table
from services.common.events import ModelActivation
from services.common.settings import Settings, load
from services.models.add import add_version
from services.models.promote import promote, roll_back
from services.models.repository import ModelRepository
from services.models.triton_client import connect

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="Model versions: which there are, which make the calls, and changing that without a restart.\n\n"
    "docs/refresh.md explains it for operators.",
)
Why = Annotated[str, typer.Option(help="Why, in a sentence; it stands in the record.")]
Who = Annotated[str | None, typer.Option(help="Who decided it; your user name unless given.")]


@app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """List every version in the repository and whether it serves.

    Examples:

        xray models list
    """
    settings = load(Settings)
    rows = listed(settings)
    if as_json:
        for row in rows:
            print_json(row.document())
        return
    columns = ("model", "version#", "role", "in Triton", "preprocessing", "AUC level 1#", "card")
    console().print(table("Model versions", columns, (_cells(row) for row in rows)))


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="Name of a model.")],
    version: Annotated[int, typer.Argument(help="Its version.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one version: its card with figures and limits, and what is wrong with its files, if anything.

    Examples:

        xray models show convnext 2
    """
    document = shown(load(Settings), model, version)
    if as_json:
        print_json(document)
        return
    console().print(table(f"{model}, version {version}", ("what", "value"), document.items()))


@app.command()
def add(
    source: Annotated[Path, typer.Argument(help="Model repository that holds the versions, such as a training wrote.")],
    versions: Annotated[list[str], typer.Argument(help="MODEL=VERSION, one or more.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Copy versions into the repository that Triton serves from; none of them serves before it is promoted.

    Examples:

        xray models add refreshed/ convnext=2 cae=2
    """
    target = ModelRepository(load(Settings).model_repository)
    for model, version in _chosen(versions).items():
        added = add_version(ModelRepository(source), target, model, version)
        if as_json:
            print_json({"model": model, "version": version, "added": added})
        else:
            typer.echo(f"{model} {version}: {'added' if added else 'was there already'}")


@app.command("promote")
def promote_(
    versions: Annotated[list[str], typer.Argument(help="MODEL=VERSION, one or more.")],
    *,
    why: Why,
    who: Who = None,
    evaluation: Annotated[str | None, typer.Option(help="Key of the evaluation in object storage.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Have these versions make the calls, once the real Triton has answered their golden inputs as it should.

    Models that are not named keep their version. The versions before stay loaded: `xray models rollback`.

    Examples:

        xray models promote convnext=2 cae=2 --why "trained with the reviews of May"
    """
    settings = load(Settings)
    repository = ModelRepository(settings.model_repository)
    with closing(connect(settings.triton_grpc)) as client:
        record = promote(
            settings,
            client,
            repository,
            _chosen(versions),
            why=why,
            who=who or getpass.getuser(),
            evaluation_key=evaluation,
        )
    _print(record, as_json=as_json)


@app.command()
def rollback(*, why: Why, who: Who = None, as_json: JsonOption = False) -> None:
    """Return to the versions that made the calls before; a second time goes one further back.

    Examples:

        xray models rollback --why "too many spines"
    """
    settings = load(Settings)
    with closing(connect(settings.triton_grpc)) as client:
        record = roll_back(settings, client, why=why, who=who or getpass.getuser())
    _print(record, as_json=as_json)


def _chosen(arguments: list[str]) -> dict[str, int]:
    chosen: dict[str, int] = {}
    for argument in arguments:
        model, equals, version = argument.partition("=")
        if not equals or not version.isdigit() or int(version) < 1 or model in chosen:
            message = f"{argument!r} is not MODEL=VERSION, each model once"
            raise typer.BadParameter(message, param_hint="VERSIONS")
        chosen[model] = int(version)
    return chosen


def _cells(row: Listed) -> tuple[object, ...]:
    card = row.card
    auc = card.metrics.get("AUC level 1") if card else None
    version = card.preprocessing_version if card else None
    return (row.model, row.version, row.role, "ready" if row.ready else "", version, auc, (row.pin or "")[:12])


def _print(record: ModelActivation, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    versions = ", ".join(f"{model} {version}" for model, version in sorted(record.versions.items()))
    typer.echo(f"activation {record.activation}: {versions}")
