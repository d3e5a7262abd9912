"""The command `xray`."""

import os
import sys
from typing import Annotated

import typer

from services import __version__
from services.cli.groups import LazyGroup, keep_indented
from services.cli.output import visible
from services.common.environment import adopt_local_stack
from services.common.errors import Fatal, PipelineError, Retriable

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2
EXIT_SERVER_UNREACHABLE = 3

_HELP = """Streaming phenotyping of mouse X-rays: images on a Kafka topic in, 1x13 phenotype calls in PostgreSQL out.

Try it:

    xray demo

Your own images:

    xray stack up
    xray init
    xray run all
    xray push FOLDER --centre NAME
    xray calls

The XRAY_... variables say where the servers are. A variable that is not set is taken from the local stack, if there is
one. `xray --install-completion` installs completion for your shell.
"""

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=keep_indented(_HELP),
    epilog="Every command has its own --help with examples. Exit codes: 0 success, 1 something failed, "
    "2 misconfigured or wrong usage, 3 a server is unreachable, 4 outcomes are missing (push --wait), 130 interrupted. "
    "XRAY_DEBUG=1 shows tracebacks.",
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
    """Adopt the local stack's settings before a command runs."""
    adopt_local_stack()


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
        typer.echo(f"xray: server unreachable: {visible(str(error))}{_advice(error)}", err=True)
        return EXIT_SERVER_UNREACHABLE
    if isinstance(error, PipelineError):
        typer.echo(f"xray: {visible(str(error))}", err=True)
        return EXIT_MISCONFIGURED if isinstance(error, Fatal) else EXIT_FAILED
    typer.echo(f"xray: internal error, {error!r}; please report it with the output of XRAY_DEBUG=1 xray ...", err=True)
    return EXIT_FAILED


def _advice(error: Retriable) -> str:
    """Return the setting of the server if the message lacks it, and what starts a local stack if none runs."""
    from services.common.settings import Settings
    from services.operations.servers import SERVERS, stack_advice

    setting = SERVERS.get(error.server, "")
    named = f" ({setting})" if setting and setting not in str(error) else ""
    advice = stack_advice(Settings()) if setting else None
    return named + (f"; {advice}" if advice else "")


if __name__ == "__main__":
    main()
