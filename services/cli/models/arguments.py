"""Arguments that several `xray models` commands take, and how they print a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import print_json

if TYPE_CHECKING:
    from services.common.events import ModelActivation

Why = Annotated[str, typer.Option(help="The reason, in a sentence; it is kept in the record.")]
Who = Annotated[str | None, typer.Option(help="Who decided it.  [default: your user name]")]
Versions = Annotated[list[str], typer.Argument(metavar="MODEL=VERSION...", help="One or more versions.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model.")]


def model_versions(arguments: list[str]) -> dict[str, int]:
    """Read MODEL=VERSION, each model once; raises typer.BadParameter."""
    versions: dict[str, int] = {}
    for argument in arguments:
        model, equals, version = argument.partition("=")
        if not equals or not version.isdigit() or int(version) < 1 or model in versions:
            message = f"{argument!r} is not MODEL=VERSION, each model once"
            raise typer.BadParameter(message, param_hint="MODEL=VERSION")
        versions[model] = int(version)
    return versions


def print_record(record: ModelActivation, title: str, *, as_json: bool) -> None:
    """Print a record that was published, as JSON or as `title` with its versions."""
    if as_json:
        print_json(record)
        return
    from services.common.events.summary import describe_versions

    typer.echo(f"{title}: {describe_versions(record.versions)}")
