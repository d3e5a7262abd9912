"""What the demo shows while it runs: one line for every event of the servers, and bars."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Display:
    """Bars by name, lines above them, and how long each part took."""

    def __init__(self, console: Console) -> None:
        """Show on a console."""
        self.seconds: dict[str, float] = {}
        self._bars = Progress(
            TextColumn("{task.description:>20}"),
            BarColumn(40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the bars on the screen."""
        with self._bars:
            yield

    def say(self, words: str) -> None:
        """Write one line."""
        self._bars.console.print(escape(words))

    def server(self, name: str, words: str) -> None:
        """Write what a server does."""
        self._bars.console.print(f"  [dim]{escape(name)}: {escape(words)}[/]")

    def bar(self, name: str, done: int, of: int | None = None) -> None:
        """Set a bar, which appears when it is first set."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=of)
        self._bars.update(self._tasks[name], completed=done, total=of)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Announce a part and take its time."""
        self.say(name)
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started
