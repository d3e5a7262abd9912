"""Limits the time that one sender takes of a worker, so that slow images of one do not delay those of others.

A slow attempt is charged to its source (a host or bucket) or to its centre. Times are seconds of the monotonic clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from services.common.errors import Rejected, SourceUnavailable

FREE_SECONDS: Final = 2.0
SHARE_SECONDS: Final = 20.0
PERIOD_SECONDS: Final = 60.0
"""What attempts take longer than 2 s each, added up, may be 20 s in a minute. Most hosts need 0.1 to 1 s per image, and
decoding less than 0.1 s; images of the largest size that is allowed need up to 2.6 s of processor time."""


class ShareUsed(SourceUnavailable):
    """The share of time is used up: no attempt was made.

    `wait_seconds` is an estimate of the time until it can be this record's turn.
    """

    def __init__(self, message: str, *, source: str, server: str, wait_seconds: float) -> None:
        """Keep the wait separate from the message."""
        super().__init__(message, source=source, server=server, kind="busy")
        self.wait_seconds = wait_seconds


class TimeShare:
    """The time that one sender has used of its share, which it regains evenly. Not thread-safe."""

    def __init__(self) -> None:
        """Start with nothing used."""
        self._spent, self._spent_at = 0.0, 0.0
        self._attempts, self._total = 0, 0.0
        self._refused, self._refused_since = 0, 0.0

    @property
    def is_unused(self) -> bool:
        """Whether nothing was in use after the last attempt."""
        return self._spent == 0.0

    def left_at(self, present: float) -> float:
        """Return the seconds that are left; negative after an attempt that took more than was left."""
        regained = (present - self._spent_at) * SHARE_SECONDS / PERIOD_SECONDS
        return SHARE_SECONDS - max(0.0, self._spent - regained)

    def charge(self, present: float, seconds: float) -> None:
        """Note an attempt that took so many seconds."""
        slow, spent = max(0.0, seconds - FREE_SECONDS), SHARE_SECONDS - self.left_at(present)
        if not spent:
            self._attempts, self._total = 0, 0.0
        self._spent, self._spent_at = spent + slow, present
        self._attempts, self._total = self._attempts + 1, self._total + slow

    def wait_seconds(self, present: float) -> float:
        """Note a refusal, and estimate the wait: each attempt refused in this minute takes the mean time."""
        if present - self._refused_since > PERIOD_SECONDS:
            self._refused, self._refused_since = 0, present
        self._refused += 1
        owed = self._refused * self._total / self._attempts - self.left_at(present)
        return owed * PERIOD_SECONDS / SHARE_SECONDS


class DecodingShares:
    """The share of each centre of the time for decoding and standardising images. Thread-safe.

    Only centres of slow images are remembered, until their share is whole again: events may name any number of others.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start without knowing anything about any centre."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._shares: dict[str, TimeShare] = {}

    def admit(self, centre: str) -> None:
        """Raise ShareUsed if this centre has used its share."""
        with self._lock:
            share, present = self._shares.get(centre), self._monotonic()
            if share is not None and share.left_at(present) <= 0:
                message = f"images of {centre} take long to decode; the centre's share of the time is used up"
                source = f"centre {ascii(centre)[:200]}"
                raise ShareUsed(message, source=source, server="decoder", wait_seconds=share.wait_seconds(present))

    @contextmanager
    def charged(self, centre: str) -> Iterator[None]:
        """Charge the time of the block to this centre, unless a fault of ours ends it (Retriable)."""
        started = self._monotonic()
        try:
            yield
        except Rejected:
            self._charge(centre, self._monotonic() - started)
            raise
        self._charge(centre, self._monotonic() - started)

    def _charge(self, centre: str, seconds: float) -> None:
        with self._lock:
            present = self._monotonic()
            if centre not in self._shares:
                if seconds <= FREE_SECONDS:
                    return
                used = {name: one for name, one in self._shares.items() if one.left_at(present) < SHARE_SECONDS}
                self._shares = used | {centre: TimeShare()}
            self._shares[centre].charge(present, seconds)
