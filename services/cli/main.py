"""The command `xray`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from services import __version__
from services.cli.groups import LazyGroup
from services.common.errors import Fatal, PipelineError, Retriable
from services.operations.environment import adopt_running_stack

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2
EXIT_SERVER_AWAY = 3

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command has its own --help with examples. Exit codes: 0 done, 1 something failed, "
    "2 misconfigured or wrong usage, 3 a server is away, 130 interrupted. XRAY_DEBUG=1 shows tracebacks.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def xray(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Streaming phenotyping of mouse X-rays: images on a Kafka topic in, 1x13 phenotype calls in PostgreSQL out.

    Try it:  [bold]xray demo[/]        Your own images:  [bold]xray stack up[/], [bold]xray init[/],
    [bold]xray run all[/], [bold]xray push FOLDER --centre NAME[/], [bold]xray calls[/]

    Servers are found by the XRAY_... variables; those not set are taken from the local stack, if one runs.
    """
    adopt_running_stack()


def main() -> None:
    """Run `xray` and exit; an error is one line on stderr, never a traceback unless XRAY_DEBUG=1."""
    try:
        app(prog_name="xray")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("XRAY_DEBUG") == "1":
            raise
        sys.exit(_report(error))


def _report(error: Exception) -> int:
    if isinstance(error, Retriable):
        typer.echo(f"xray: server away: {error}", err=True)
        return EXIT_SERVER_AWAY
    if isinstance(error, PipelineError):
        typer.echo(f"xray: {error}", err=True)
        return EXIT_MISCONFIGURED if isinstance(error, Fatal) else EXIT_FAILED
    typer.echo(f"xray: internal error, {error!r}; please report it with the output of XRAY_DEBUG=1 xray ...", err=True)
    return EXIT_FAILED


if __name__ == "__main__":
    main()
