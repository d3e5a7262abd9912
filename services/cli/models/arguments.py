"""What several of the commands take and print."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.output import print_json
from services.common.events import ModelActivation

Why = Annotated[str, typer.Option(help="Why, in a sentence; it stands in the record.")]
Who = Annotated[str | None, typer.Option(help="Who decided it; your user name unless given.")]
Versions = Annotated[list[str], typer.Argument(help="MODEL=VERSION, one or more.")]


def chosen(arguments: list[str]) -> dict[str, int]:
    """Read MODEL=VERSION, each model once; raises typer.BadParameter."""
    versions: dict[str, int] = {}
    for argument in arguments:
        model, equals, version = argument.partition("=")
        if not equals or not version.isdigit() or int(version) < 1 or model in versions:
            message = f"{argument!r} is not MODEL=VERSION, each model once"
            raise typer.BadParameter(message, param_hint="VERSIONS")
        versions[model] = int(version)
    return versions


def listing(versions: dict[str, int]) -> str:
    """Write versions for people: `cae 2, convnext 2`."""
    return ", ".join(f"{model} {version}" for model, version in sorted(versions.items()))


def print_record(record: ModelActivation, words: str, *, as_json: bool) -> None:
    """Print a record that was written, as JSON or as `words` with its versions."""
    if as_json:
        print_json(record)
        return
    typer.echo(f"{words}: {listing(record.versions)}")
