"""`xray models list|show|install|add|shadow|promote|rollback|retire`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from services.cli.models.arguments import Versions, Who, Why, chosen, print_record
from services.cli.models.comparison import comparisons, label_table, summaries, summary_table
from services.cli.models.listing import ListedVersion, listed, shown
from services.cli.models.shadowing import retire_, shadow_, shadowed_before
from services.cli.options import user
from services.cli.output import JsonOption, console, print_json, table
from services.common.settings import Settings, load
from services.registry.admit import add_version
from services.registry.bucket import repository_of
from services.registry.install import create_repository, install_models
from services.registry.promote import promote, roll_back
from services.registry.repository import ModelRepository
from services.registry.triton_client import connect

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="Model versions: which there are, which make the calls, and changing that without a restart.\n\n"
    "docs/refresh.md explains it for operators.",
)


@app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """List every version in the repository and whether it serves, and the candidates that were in shadow.

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
    found = summaries(settings)
    if found:
        console().print(summary_table(found))


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="Name of a model.")],
    version: Annotated[int, typer.Argument(help="Its version.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one version: its card with figures and limits, what is wrong with its files, how it did in shadow.

    Examples:

        xray models show convnext 2
    """
    settings = load(Settings)
    document = shown(settings, model, version)
    found = comparisons(settings, model, version)
    if as_json:
        print_json(document | {"in shadow": [one.document() for one in found]})
        return
    console().print(table(f"{model}, version {version}", ("what", "value"), document.items()))
    for one in found:
        console().print(label_table(one))


@app.command()
def add(
    source: Annotated[Path, typer.Argument(help="Model repository that holds the versions, such as a training wrote.")],
    versions: Versions,
    *,
    as_json: JsonOption = False,
) -> None:
    """Copy versions into the repository that Triton serves from; none of them serves before it is promoted.

    Examples:

        xray models add refreshed/ convnext=2 cae=2
    """
    target = repository_of(load(Settings))
    for model, version in chosen(versions).items():
        added = add_version(ModelRepository(source), target, model, version)
        if as_json:
            print_json({"model": model, "version": version, "added": added})
        else:
            typer.echo(f"{model} {version}: {'added' if added else 'was there already'}")


@app.command()
def install(
    source: Annotated[Path, typer.Argument(help="Model repository to begin with, such as this project's own.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Fill the repository that Triton is to serve from with the models that it lacks; those that are there stay.

    In containers this comes before Triton's start. Further versions of a model: xray models add.

    Examples:

        xray models install model_repository/
    """
    installed = install_models(ModelRepository(source), create_repository(load(Settings)))
    if as_json:
        print_json({"installed": installed})
    else:
        typer.echo(f"installed: {', '.join(installed) or 'nothing, every model is there'}")


@app.command("promote")
def promote_(
    versions: Versions,
    *,
    why: Why,
    who: Who = None,
    evaluation: Annotated[str | None, typer.Option(help="Key of the evaluation in object storage.")] = None,
    after_shadowed: Annotated[
        int, typer.Option(min=0, help="Refuse unless these versions were in shadow on so many specimens.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Have these versions make the calls, once the real Triton has answered their golden inputs as it should.

    Models that are not named keep their version. The versions before stay loaded: `xray models rollback`.

    Examples:

        xray models promote convnext=2 cae=2 --why "trained with the reviews of May"

        xray models promote convnext=2 cae=2 --after-shadowed 500 --why "agreed with the calls for a week"
    """
    settings = load(Settings)
    repository = repository_of(settings)
    with closing(connect(settings.triton_grpc)) as client:
        record = promote(
            settings,
            client,
            repository,
            chosen(versions),
            why=why,
            who=who or user(),
            evaluation_key=evaluation,
            require=shadowed_before(settings, after_shadowed),
        )
    print_record(record, f"activation {record.activation}", as_json=as_json)


@app.command()
def rollback(*, why: Why, who: Who = None, as_json: JsonOption = False) -> None:
    """Return to the versions that made the calls before; a second time goes one further back.

    Examples:

        xray models rollback --why "too many spines"
    """
    settings = load(Settings)
    with closing(connect(settings.triton_grpc)) as client:
        record = roll_back(settings, client, why=why, who=who or user())
    print_record(record, f"activation {record.activation}", as_json=as_json)


app.command("shadow")(shadow_)
app.command("retire")(retire_)


def _cells(row: ListedVersion) -> tuple[object, ...]:
    card = row.card
    auc = card.metrics.get("AUC level 1") if card else None
    version = card.preprocessing_version if card else None
    return (row.model, row.version, row.role, "ready" if row.ready else "", version, auc, (row.pin or "")[:12])
