"""Keeps one source of images from delaying the others: no attempt while it fails, and a share of time while it is slow.

A source is a host or a bucket, as announced images name it. Both limits hold per process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from services.common.errors import SourceUnavailable
from services.common.sources.uri import ImageUri

FIRST_PAUSE_SECONDS: Final = 30.0
LONGEST_PAUSE_SECONDS: Final = 240.0
"""After a failure the source is not tried for 30 s, which double with each failure of the next single attempt."""
FREE_SECONDS: Final = 2.0
SHARE_SECONDS: Final = 20.0
PERIOD_SECONDS: Final = 60.0
"""What fetches take longer than 2 s each, added up, may be 20 s in a minute per source. Other hosts need 0.1 to 1 s."""


_LONGEST_ERROR: Final = 300


class ImageReader(Protocol):
    """Where images come from; `services.intake.fetch.Fetcher` implements it and documents what each method raises."""

    def own(self, key: str) -> ImageUri: ...  # noqa: D102
    def fetch(self, uri: ImageUri) -> bytes: ...  # noqa: D102


class SourcePaused(SourceUnavailable):
    """The source failed a moment ago, for this record or another: no attempt was made."""


class SourceBusy(SourceUnavailable):
    """The source answers, but so slowly that it has used its share of time: no attempt was made.

    `wait_seconds` is an estimate of the time until it can be this record's turn.
    """

    def __init__(self, source: str, wait_seconds: float) -> None:
        """Say what the record waits for."""
        message = f"{source} is slow; its share of the time for fetching is used up"
        super().__init__(message, source=source, server=_kind(source), kind="busy")
        self.wait_seconds = wait_seconds


class GuardedReader:
    """Fetches through another reader as far as both limits allow. Thread-safe.

    Images in our own bucket are not limited: without our store no record could continue.
    """

    def __init__(self, reader: ImageReader, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start without knowing anything about any source."""
        self._reader, self._monotonic = reader, monotonic
        self._lock = threading.Lock()
        self._sources: dict[str, _Source] = {}

    def own(self, key: str) -> ImageUri:
        """Return the address of the object `key` in the pipeline's own bucket."""
        return self._reader.own(key)

    def fetch(self, uri: ImageUri) -> bytes:
        """Return the bytes at `uri`.

        Raises SourcePaused or SourceBusy instead of an attempt, and whatever the other reader raises.
        """
        if uri.origin == self._reader.own("").origin:
            return self._reader.fetch(uri)
        with self._attempt(uri.origin):
            return self._reader.fetch(uri)

    @contextmanager
    def _attempt(self, name: str) -> Iterator[None]:
        with self._lock:
            source = self._sources.get(name)
            if source is not None:
                source.admit(self._monotonic())
        started, error = self._monotonic(), None
        try:
            yield
        except SourceUnavailable as failure:
            error = str(failure)[:_LONGEST_ERROR]
            raise
        finally:
            self._note(name, self._monotonic() - started, error)

    def _note(self, name: str, seconds: float, error: str | None) -> None:
        """Only sources that fail or are slow are remembered: events may name any number of others."""
        with self._lock:
            source = self._sources.get(name)
            if source is None and (error is not None or seconds > FREE_SECONDS):
                source = self._sources[name] = _Source(name)
            if source is None:
                return
            source.note(self._monotonic(), seconds, error)
            if source.is_normal:
                del self._sources[name]


class _Source:
    """What is known about one source; times are those of the monotonic clock in seconds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures, self._error, self._next_attempt, self._attempting = 0, "", 0.0, False
        self._spent, self._spent_at, self._slowest = 0.0, 0.0, 0.0
        self._refused, self._refused_since = 0, 0.0

    @property
    def is_normal(self) -> bool:
        return self._failures == 0 and self._spent == 0.0

    def admit(self, present: float) -> None:
        """Allow an attempt, or raise SourcePaused or SourceBusy."""
        if self._failures:
            if present < self._next_attempt or self._attempting:
                message = f"{self._error}; {self._name} is tried again in {max(0, self._next_attempt - present):.0f} s"
                raise SourcePaused(message, source=self._name, server=_kind(self._name), kind="paused")
            self._attempting = True
        elif self._left_at(present) <= 0:
            raise SourceBusy(self._name, self._estimate(present))

    def note(self, present: float, seconds: float, error: str | None) -> None:
        """Take note of an attempt that has ended."""
        self._attempting = False
        if error is None:
            self._failures = 0
            self._charge(present, max(0.0, seconds - FREE_SECONDS))
        elif present >= self._next_attempt:  # not already noted for another record that was fetched at the same time
            pause = min(FIRST_PAUSE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS)
            self._failures, self._error, self._next_attempt = self._failures + 1, error, present + pause

    def _charge(self, present: float, slow: float) -> None:
        self._spent = SHARE_SECONDS - self._left_at(present) + slow
        self._spent_at, self._slowest = present, max(self._slowest, slow)

    def _left_at(self, present: float) -> float:
        regained = (present - self._spent_at) * SHARE_SECONDS / PERIOD_SECONDS
        return SHARE_SECONDS - max(0.0, self._spent - regained)

    def _estimate(self, present: float) -> float:
        """Assume that each record refused in this minute comes again and takes as long as the slowest one."""
        if present - self._refused_since > PERIOD_SECONDS:
            self._refused, self._refused_since = 0, present
        self._refused += 1
        owed = self._refused * self._slowest - self._left_at(present)
        return owed * PERIOD_SECONDS / SHARE_SECONDS


def _kind(source: str) -> str:
    return "objects" if source.startswith("s3:") else "https"
