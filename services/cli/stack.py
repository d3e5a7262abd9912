"""`xray stack`: the servers as ordinary processes of this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.cli.output import JsonOption, Sheet, console, errors, print_json, seconds, table
from services.common.environment import stack_folder

if TYPE_CHECKING:
    from rich.table import Table

    from deploy.local.stack import Stack
    from deploy.local.status import ServerStatus

EXIT_NOT_ALL_RUNNING: Final = 1

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Run Kafka, SeaweedFS (S3), Triton and PostgreSQL as ordinary processes, without containers, root or Java."
    "\n\nAll data, logs and ports are kept in the folder .stack of the clone (or in XRAY_STACK_FOLDER). Every server"
    " listens on 127.0.0.1 only. The first start downloads about 430 MB into the folder .cache.",
    epilog="Typical:  xray stack up  |  xray stack status  |  xray stack logs kafka --follow  |  xray stack down",
)


class StackServer(StrEnum):
    """The servers of the stack."""

    KAFKA = "kafka"
    SEAWEEDFS = "seaweedfs"
    TRITON = "triton"
    POSTGRES = "postgres"


OnlyOption = Annotated[
    list[StackServer] | None, typer.Option("--only", help="Start only this server; may be repeated.")
]


@app.command()
def up(only: OnlyOption = None) -> None:
    """Start the servers and wait until they work.

    Each server is ready when it has done a real operation. It is safe to repeat: a server that works is left alone,
    one that crashed is started again with its data. Ctrl-C stops what this command started. The variables by which
    services find the servers are in the file `environment` of the stack's folder; the other `xray` commands read it
    automatically.

    Examples:

        xray stack up
        xray stack up --only kafka --only seaweedfs
    """
    stack = _stack()
    names = [name.value for name in only or StackServer]
    with _Display(names) as display:
        stack.up(names, display.show)
    errors().print(f"environment: {stack.folder.environment_file}", soft_wrap=True)


@app.command()
def down() -> None:
    """Stop every server cleanly.

    Servers that a crash left behind are stopped as well. Data, ports and passwords are kept for the next `up`. To
    delete everything, delete the stack's folder afterwards.
    """
    with _Display([name.value for name in StackServer]) as display:
        _stack().down(display.show)


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show which servers work.

    Each server is asked for a real operation. Exit code 1 unless all of them work.

    Examples:

        xray stack status
        xray stack status --json | jq '.[] | select(.state != "running")'
    """
    from dataclasses import asdict

    stack = _stack()
    stack.environment()  # Raises if `up` has never run.
    found = stack.status()
    if as_json:
        print_json([asdict(server) for server in found])
    else:
        console().print(_status_table(found))
    if any(server.state != "running" for server in found):
        raise typer.Exit(EXIT_NOT_ALL_RUNNING)


@app.command()
def logs(
    name: Annotated[StackServer, typer.Argument(metavar="SERVER", help="kafka, seaweedfs, triton or postgres.")],
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Continue with new lines until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Number of lines to show.")] = 50,
) -> None:
    """Show the last lines of a server's log.

    Examples:

        xray stack logs triton --follow
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


def _stack() -> Stack:
    from deploy.local.stack import Stack

    return Stack(stack_folder())


def _status_table(found: Sequence[ServerStatus]) -> Sheet:
    rows = (
        (
            server.name,
            server.state,
            server.address,
            server.pid,
            seconds(server.up_s) if server.pid else "",
            f"{server.memory_bytes / 1024**2:.0f} MiB" if server.pid else "",
            server.words,
        )
        for server in found
    )
    return table("Servers", ("server", "state", "address", "pid#", "up#", "memory#", "problem~"), rows)


class _Display:
    """One line per server that changes in place on a terminal; elsewhere one line per change."""

    def __init__(self, names: Sequence[str]) -> None:
        """Prepare; nothing is shown before it is entered."""
        from rich.live import Live
        from rich.spinner import Spinner

        self._began = time.monotonic()
        self._progress = dict.fromkeys(names, "")
        self._console = errors()
        self._spinner: Any = Spinner("dots")
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8)

    def __enter__(self) -> _Display:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, server: str, progress: str) -> None:
        """Take a server's progress; called from several threads."""
        self._progress[server] = progress
        if not self._console.is_terminal:
            self._console.print(f"{server}: {progress}", soft_wrap=True)

    def _render(self) -> Table:
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        for server, progress in self._progress.items():
            done = progress.startswith(("ready", "already", "stopped"))
            elapsed = "" if done else f"{time.monotonic() - self._began:.0f} s"
            grid.add_row("[green]✓[/]" if done else self._spinner, server, progress, elapsed)
        return grid
