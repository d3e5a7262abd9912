"""How the commands of `xray train` end when they cannot go on, also when run as `python -m`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape

from services.common.errors import Fatal, Rejected

INTERRUPTED: Final = 130
FAILED: Final = 1


@contextmanager
def one_line_errors(console: Console, when_stopped: str) -> Iterator[None]:
    """Turn Ctrl-C, bad input, a training gone wrong and the file system's errors into one line and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(when_stopped)
        raise typer.Exit(INTERRUPTED) from None
    except Rejected as error:
        console.print(f"[red]error[/red] {escape(error.words)} \\[{error.reason}]", soft_wrap=True)
        raise typer.Exit(FAILED) from None
    except (Fatal, OSError) as error:
        console.print(f"[red]error[/red] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(FAILED) from None
