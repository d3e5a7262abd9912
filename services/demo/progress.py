"""Progress of a demo run. This base class shows nothing; `services.cli.demo` shows it on a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class DemoProgress:
    """Receives messages and counts while the demo runs, and measures how long each part takes.

    `seconds` maps the name of each finished part to its wall time.
    """

    def __init__(self) -> None:
        """Start with no part."""
        self.seconds: dict[str, float] = {}

    def say(self, message: str) -> None:
        """Show one line."""

    def server(self, name: str, message: str) -> None:
        """Show what a server of the local stack is doing."""

    def bar(self, name: str, done: int, of: int) -> None:
        """Set a progress bar."""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Announce a part of the run and measure its time."""
        self.say(name)
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started
