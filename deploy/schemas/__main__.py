"""`python -m deploy.schemas [--check]`."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.schemas import contract

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing. Fail if the files are out of date.")] = False,
) -> None:
    """Write the JSON Schemas, the AsyncAPI document and docs/contracts.md from the events.

    Fails and writes nothing if an event breaks a promise of its schema version: a field was removed or renamed, a new
    field is required, or the allowed values changed. Such a change needs a new `schema_version`.
    """
    try:
        problems = contract.broken_promises(contract.schemas())
    except LookupError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from error
    if problems:
        problems.append("raise the event's schema_version, or undo the change (docs/contracts.md)")
    elif check:
        problems = contract.drift()
    else:
        for path, text in contract.files().items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for problem in problems:
        typer.echo(problem, err=True)
    raise typer.Exit(1 if problems else 0)


if __name__ == "__main__":
    app()
