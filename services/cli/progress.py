"""Progress of a command that may take hours: a bar on a terminal, elsewhere a line every 30 seconds."""

import time
from typing import Final

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.cli.output import errors

LINE_SECONDS: Final = 30.0


class LongProgress(Progress):
    """Bars on stderr, each with its description, counts, elapsed and remaining time."""

    def __init__(self) -> None:
        """Show nothing before `start`."""
        columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()
        console = errors()
        super().__init__(TextColumn("{task.description}"), *columns, console=console, disable=not console.is_terminal)
        self.restart()

    def restart(self) -> None:
        """Count the 30 seconds from now."""
        self._last_line = time.monotonic()

    def line(self, text: str) -> None:
        """Print a line if there is no terminal and the last one is 30 seconds old."""
        if self.disable and time.monotonic() - self._last_line > LINE_SECONDS:
            self.restart()
            self.console.print(escape(text), soft_wrap=True)
