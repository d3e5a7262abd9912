"""The one way to retry what is Retriable, and how long to wait between attempts."""

import random
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from services.common.errors import Retriable

FIRST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 10.0
T = TypeVar("T")


def retry(
    action: Callable[[], T],
    pause: Callable[[float], bool | None],
    *,
    attempts: int | None = None,
    failed: Callable[[Retriable, float], None] = lambda _error, _seconds: None,
) -> T:
    """Call `action` until it raises no Retriable, and return its result.

    `pause` waits the seconds that it is given; it returns True to give up, as `threading.Event.wait` does, or raises.
    `failed` is called before each pause with the error and the seconds. Raises the last Retriable after `attempts`
    (None: no limit) or when `pause` gave up; any other error passes through at once.
    """
    for attempt, seconds in enumerate(delays(), start=1):
        try:
            return action()
        except Retriable as error:
            if attempt == attempts:
                raise
            failed(error, seconds)
            if pause(seconds):
                raise
    raise AssertionError


def delays() -> Iterator[float]:
    """Yield seconds to wait, doubling up to ten; half of each is random, so that workers do not retry together."""
    ceiling = FIRST_SECONDS
    while True:
        yield random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not a secret
        ceiling = min(2 * ceiling, LONGEST_SECONDS)
