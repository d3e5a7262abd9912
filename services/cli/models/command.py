"""`xray models list|show|install|add|shadow|promote|rollback|retire`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.models.arguments import Model, Versions, Who, Why, model_versions, print_record
from services.cli.models.shadowing import retire_, shadow_, shadowed_before
from services.cli.options import settings_for, user
from services.cli.output import FullOption, JsonOption, console, facts, print_json, short, table

if TYPE_CHECKING:
    from services.cli.models.listing import ListedVersion
    from services.common.settings import Settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List model versions, choose which ones make the calls, and change that without a restart.\n\n"
    "docs/refresh.md explains it for operators.",
)


@app.command("list")
def list_(*, full: FullOption = False, as_json: JsonOption = False) -> None:
    """List all versions and candidates in shadow.

    `role` is active, shadow, previous (what a rollback returns to), served or waiting.

    Examples:

        xray models list
        xray models list --json | jq -r 'select(.role == "active") | .model'
    """
    from services.cli.models.comparison import summaries, summary_table
    from services.cli.models.listing import listed

    settings = settings_for("kafka", "triton")
    rows = listed(settings)
    if as_json:
        for row in rows:
            print_json(row.to_json())
        return
    columns = ("model", "version#", "role", "in Triton", "preprocessing", "AUC level 1#", "card")
    console().print(table("Model versions", columns, (_cells(row, full=full) for row in rows)))
    found = summaries(settings)
    if found:
        console().print(summary_table(found))


@app.command()
def show(
    model: Model,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="Its version.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the model card of one version.

    Its figures and limits, problems with its files, and how it compared in shadow.

    Examples:

        xray models show convnext 2
    """
    from services.cli.models.comparison import comparisons, label_table
    from services.cli.models.listing import shown

    settings = settings_for("kafka", "triton")
    found = shown(settings, model, version)
    compared = comparisons(settings, model, version)
    if as_json:
        print_json(found | {"in shadow": [one.to_json() for one in compared]})
        return
    console().print(facts(f"{model}, version {version}", found.items()))
    for one in compared:
        console().print(label_table(one))


@app.command()
def add(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Model repository with the versions, such as a training wrote.")
    ],
    versions: Versions,
    *,
    as_json: JsonOption = False,
) -> None:
    """Copy versions into Triton's repository.

    A version makes no calls before it is promoted.

    Examples:

        xray models add refreshed/ convnext=2 cae=2
    """
    from services.common.settings import Settings, load
    from services.registry.admit import add_version
    from services.registry.bucket import repository_of
    from services.registry.repository import ModelRepository

    target = repository_of(load(Settings))
    for model, version in model_versions(versions).items():
        added = add_version(ModelRepository(source), target, model, version)
        if as_json:
            print_json({"model": model, "version": version, "added": added})
        else:
            typer.echo(f"{model} {version}: {'added' if added else 'already present'}")


@app.command()
def install(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Model repository to start with, such as this project's own.")
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Add missing models to Triton's repository.

    Existing models are not changed. In containers this runs before Triton starts. `xray models add` adds further
    versions of a model.

    Examples:

        xray models install model_repository/
    """
    from services.common.settings import Settings, load
    from services.registry.install import create_repository, install_models
    from services.registry.repository import ModelRepository

    installed = install_models(ModelRepository(source), create_repository(load(Settings)))
    if as_json:
        print_json({"installed": installed})
    else:
        typer.echo(f"installed: {', '.join(installed) or 'nothing, every model is present'}")


@app.command("promote")
def promote_(
    versions: Versions,
    *,
    why: Why,
    who: Who = None,
    evaluation: Annotated[str | None, typer.Option(help="Key of the evaluation in object storage.")] = None,
    after_shadowed: Annotated[
        int, typer.Option(min=0, help="Refuse unless these versions were in shadow on this many specimens.")
    ] = 0,
    set_card: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="JSON of how all these versions decide together, from their training."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make these versions produce the calls.

    Before that, Triton must answer their golden inputs correctly. Models that are not named keep their version. The
    previous versions stay loaded; `xray models rollback` returns to them.

    A set card (--set-card) holds weights, calibration, prevalence and thresholds of the versions as a set, and what
    controls are compared with. It is needed for references of controls. By default it is fitted from the versions'
    outputs for validation specimens; if a version has none, the versions' own cards decide.

    Examples:

        xray models promote convnext=2 cae=2 --why "trained with the reviews of May"
        xray models promote convnext=2 cae=2 --after-shadowed 500 --why "agreed with the calls for a week"
    """
    from services.registry.bucket import repository_of
    from services.registry.promote import promote
    from services.registry.triton_client import connect

    chosen = model_versions(versions)
    settings = settings_for("kafka", "triton")
    repository = repository_of(settings)
    stored = None if set_card is None else _stored_set_card(settings, set_card, chosen)
    with closing(connect(settings)) as client:
        record = promote(
            settings,
            client,
            repository,
            chosen,
            why=why,
            who=who or user(),
            evaluation_key=evaluation,
            set_card=stored,
            require=shadowed_before(settings, after_shadowed),
        )
    print_record(record, f"activation {record.activation}", as_json=as_json)


@app.command()
def rollback(*, why: Why, who: Who = None, as_json: JsonOption = False) -> None:
    """Return to the versions that made the calls before.

    A second rollback goes one step further back.

    Examples:

        xray models rollback --why "too many spines"
    """
    from services.registry.promote import roll_back
    from services.registry.triton_client import connect

    settings = settings_for("kafka", "triton")
    with closing(connect(settings)) as client:
        record = roll_back(settings, client, why=why, who=who or user())
    print_record(record, f"activation {record.activation}", as_json=as_json)


app.command("shadow")(shadow_)
app.command("retire")(retire_)


def _stored_set_card(settings: Settings, path: Path, chosen: dict[str, int]) -> str:
    """Store a set card of the chosen versions and of those that other models keep; return its digest."""
    from services.common.store import ObjectStore
    from services.registry.register import current
    from services.registry.set_cards import store_set_card

    serving = current(settings)
    versions = (serving.versions if serving else {}) | chosen
    return store_set_card(ObjectStore(settings, connections=1), path.read_bytes(), versions)


def _cells(row: ListedVersion, *, full: bool) -> tuple[object, ...]:
    card = row.card
    auc = card.metrics.get("AUC level 1") if card else None
    version = card.preprocessing_version if card else None
    return (row.model, row.version, row.role, "ready" if row.ready else "", version, auc, short(row.pin, full=full))
