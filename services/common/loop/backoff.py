"""How long to wait between tries."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

FIRST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 10.0


def delays() -> Iterator[float]:
    """Yield seconds to wait, doubling up to ten, with full jitter so that workers do not return in step."""
    ceiling = FIRST_SECONDS
    while True:
        yield random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not a secret
        ceiling = min(2 * ceiling, LONGEST_SECONDS)
