"""How long computations report what they do; the commands decide how it is shown."""

from typing import Final, Protocol


class ProgressReporter(Protocol):
    """Receives messages and progress. It must be picklable if several devices are used."""

    def message(self, text: str) -> None:
        """Receive one line about what was done or is done next."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Receive how much of `what` is done; it is over when `done` equals `total`."""


class SilentReporter:
    """Shows nothing."""

    def message(self, text: str) -> None:
        """Ignore a line."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Ignore progress."""


SILENT: Final = SilentReporter()
