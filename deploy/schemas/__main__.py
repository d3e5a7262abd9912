"""`python -m deploy.schemas [--check]`."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.schemas import contract

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when the files are out of date.")] = False,
) -> None:
    """Write JSON Schemas, AsyncAPI document and docs/contracts.md from the events.

    Fails, and writes nothing, when an event breaks what its schema version promised: removed or renamed a field,
    asks for a new one, or allows other values. Such a change takes a new `schema_version`.
    """
    try:
        problems = contract.broken_promises(contract.schemas())
    except LookupError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from error
    if problems:
        problems.append("raise the event's schema_version, or take the change back (docs/contracts.md)")
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
