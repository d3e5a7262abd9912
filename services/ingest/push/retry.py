"""Tries again while a server is away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from services.common.errors import Retriable
from services.common.loop.backoff import delays

T = TypeVar("T")
TRIES: Final = 6


def insist(action: Callable[[], T], stop: threading.Event, tries: int = TRIES) -> T:
    """Do something, again with growing pauses while it raises Retriable; the last try's error goes on.

    A pause ends when `stop` is set, and with it the trying.
    """
    for attempt, seconds in enumerate(delays(), start=1):
        try:
            return action()
        except Retriable:
            if attempt == tries or stop.wait(seconds):
                raise
    raise AssertionError
