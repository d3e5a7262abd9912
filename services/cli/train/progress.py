"""How the commands of `xray train` show progress, and how they exit on errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

from services.cli.output import errors
from services.common.errors import Fatal, Rejected

if TYPE_CHECKING:
    from rich.progress import TaskID

INTERRUPTED: Final = 130
FAILED: Final = 1


class ConsoleReporter:
    """Prints messages on stderr, and shows progress bars if that is a terminal (`training.train.loop`)."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = errors()
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._bars = Progress(*columns, console=self.console, transient=True)
        self._tasks: dict[str, TaskID] = {}

    def message(self, text: str) -> None:
        """Print a line, above the bars if there are any."""
        self.console.print(text, soft_wrap=True, markup=False)

    def progress(self, what: str, done: int, total: int) -> None:
        """Show or move the bar of `what`, and remove it when everything is done."""
        if not self.console.is_terminal:
            return
        if what not in self._tasks:
            from rich.markup import escape

            self._bars.start()
            self._tasks[what] = self._bars.add_task(escape(what), total=total)
        self._bars.update(self._tasks[what], completed=done)
        if done >= total:
            self._bars.remove_task(self._tasks.pop(what))
            if not self._tasks:
                self._bars.stop()

    def close(self) -> None:
        """Remove all bars."""
        self._bars.stop()

    def __reduce__(self) -> tuple[type[ConsoleReporter], tuple[()]]:
        """Give another process a reporter of its own: bars and locks cannot be sent."""
        return ConsoleReporter, ()


@contextmanager
def reporting(when_stopped: str) -> Iterator[ConsoleReporter]:
    """Yield a reporter; turn Ctrl-C, bad input, failed training and OS errors into a line.

    The command then exits with 130 after Ctrl-C, else with 1.
    """
    report = ConsoleReporter()
    try:
        yield report
    except KeyboardInterrupt:
        report.close()
        report.message(when_stopped)
        raise typer.Exit(INTERRUPTED) from None
    except Rejected as error:
        _fail(report, f"{error.message} [{error.reason}]")
    except (Fatal, OSError) as error:
        _fail(report, str(error))
    finally:
        report.close()


def _fail(report: ConsoleReporter, message: str) -> None:
    from rich.markup import escape

    report.close()
    report.console.print(f"[red]error[/red] {escape(message)}", soft_wrap=True)
    raise typer.Exit(FAILED) from None
