"""The libraries' share of the log: without a broker aiokafka and Faust write thousands of lines a minute."""

from __future__ import annotations

import logging
from typing import Final

_LIBRARIES: Final = ("aiokafka", "faust", "mode", "rocksdict")
_SECONDS: Final = 10.0


class _OneInTenSeconds(logging.Filter):
    """Let one message of each library logger through every ten seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.split(".")[0] not in _LIBRARIES or record.levelno >= logging.CRITICAL:
            return True
        due = record.created - self._last.get(record.name, -_SECONDS) >= _SECONDS
        if due:
            self._last[record.name] = record.created
        return due


def quieten() -> None:
    """Keep the libraries to warnings and errors, each logger to one in ten seconds; call once logs are configured."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(_OneInTenSeconds())
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
