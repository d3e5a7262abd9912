"""`xray stack`: the servers as ordinary processes on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import JsonOption, Sheet, console, errors, print_json, seconds, table
from services.common.environment import stack_folder

if TYPE_CHECKING:
    from rich.table import Table

    from deploy.local.stack import Stack
    from deploy.local.status import ServerStatus

EXIT_NOT_ALL_RUNNING = 1

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Run Kafka, SeaweedFS (S3), Triton and PostgreSQL as ordinary processes, without containers, root or Java."
    "\n\nAll data, logs and ports are kept in the folder .stack of the clone, or of the current directory if there is"
    " no clone (or in XRAY_STACK_FOLDER). Every server listens on 127.0.0.1 only. The first start downloads about 430"
    " MB into the folder .cache.",
    epilog="Typical:  xray stack up  |  xray stack status  |  xray stack logs kafka --follow  |  xray stack down",
)


class Name(StrEnum):
    """The servers."""

    KAFKA = "kafka"
    SEAWEEDFS = "seaweedfs"
    TRITON = "triton"
    POSTGRES = "postgres"


OnlyOption = Annotated[list[Name] | None, typer.Option("--only", help="Start only this server; repeat for several.")]


SecureOption = Annotated[
    bool, typer.Option("--secure", help="Create the stack with TLS, a password per service, and restricted rights.")
]


@app.command()
def up(only: OnlyOption = None, secure: SecureOption = False) -> None:
    """Start every server that does not work, and wait until each has done a real operation.

    Safe to repeat: servers that work are left alone, servers that crashed are restarted with their data. Ctrl-C stops
    what this command started. The variables by which services find the servers are in the file `environment` of the
    stack's folder. The other `xray` commands read them automatically.

    `--secure` applies to a new stack, which stays secure until `down --clear`. Run `xray init` and `xray access` next.
    `xray run` then gives each service its own credentials (docs/security.md).

    Examples:

        xray stack up --only kafka --only seaweedfs
        xray stack up --secure
    """
    stack = _stack(secure=secure)
    names = [name.value for name in only or Name]
    with _Display(names) as display:
        stack.up(names, display.show)
    errors().print(f"environment: {stack.folder.environment_file}", soft_wrap=True)


@app.command()
def down(
    clear: Annotated[bool, typer.Option("--clear", help="Also delete all data, logs, ports and passwords.")] = False,
) -> None:
    """Stop every server cleanly, also those left by a crash. Data, ports and passwords are kept for the next `up`.

    Example: xray stack down --clear
    """
    stack = _stack()
    with _Display([name.value for name in Name]) as display:
        stack.down(display.show)
    if clear:
        stack.clear()


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Do a real operation with every server and show which work. The exit code is 1 unless all do.

    Example: xray stack status --json | jq '.[] | select(.state != "running")'
    """
    stack = _stack()
    stack.environment()  # Raises an error if there was no `up` yet.
    found = stack.status()
    if as_json:
        from dataclasses import asdict

        print_json([asdict(server) for server in found])
    else:
        console().print(_status_table(found))
    if any(server.state != "running" for server in found):
        raise typer.Exit(EXIT_NOT_ALL_RUNNING)


@app.command()
def logs(
    name: Annotated[Name, typer.Argument(help="The server.")],
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Show new lines until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Number of lines.")] = 50,
) -> None:
    """Show the last lines of a server's log.

    Example: xray stack logs triton --follow
    """
    from deploy.local.errors import StackError
    from deploy.local.logs import follow, tail

    log = _stack().folder.log(name.value)
    if not log.exists():
        raise StackError(name.value, f"there is no log {log}", f"run `xray stack up --only {name.value}` first")
    for line in tail(log, lines):
        typer.echo(line)
    if follow_on:
        for line in follow(log):
            typer.echo(line)


def _stack(*, secure: bool = False) -> Stack:
    from deploy.local.stack import Stack

    return Stack(stack_folder(), secure=secure)


def _status_table(found: Sequence[ServerStatus]) -> Sheet:
    rows = (
        (
            server.name,
            server.state + (f": {server.message}" if server.message else ""),
            server.address,
            server.pid,
            seconds(server.up_s) if server.pid else "",
            f"{server.memory_bytes / 1024**2:.0f} MiB" if server.pid else "",
        )
        for server in found
    )
    return table("", ("server", "state", "address", "pid#", "up#", "memory#"), rows)


class _Display:
    """On a terminal, one line per server that is updated in place; elsewhere one line per change."""

    def __init__(self, names: Sequence[str]) -> None:
        """Prepare; nothing is shown before it is entered."""
        from rich.live import Live
        from rich.spinner import Spinner

        self._began = time.monotonic()
        self._messages = dict.fromkeys(names, "")
        self._console = errors()
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8)

    def __enter__(self) -> _Display:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, server: str, message: str) -> None:
        """Show a server's progress; called from several threads."""
        self._messages[server] = message
        if not self._console.is_terminal:
            self._console.print(f"{server}: {message}")

    def _render(self) -> Table:
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        for server, message in self._messages.items():
            done = message.startswith(("ready", "already", "stopped"))
            elapsed = "" if done else f"{time.monotonic() - self._began:.0f} s"
            grid.add_row("[green]✓[/]" if done else self._spinner, server, message, elapsed)
        return grid
