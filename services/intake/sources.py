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
from services.intake.shares import FREE_SECONDS, ShareUsed, TimeShare

FIRST_PAUSE_SECONDS: Final = 30.0
LONGEST_PAUSE_SECONDS: Final = 240.0
"""After a failure the source is not tried for 30 s, which double with each failure of the next single attempt."""
_LONGEST_ERROR: Final = 300


class ImageReader(Protocol):
    """Where images come from; `services.intake.fetch.Fetcher` implements it and documents what each method raises."""

    def own(self, key: str) -> ImageUri: ...  # noqa: D102
    def fetch(self, uri: ImageUri) -> bytes: ...  # noqa: D102


class SourcePaused(SourceUnavailable):
    """The source failed a moment ago, for this record or another: no attempt was made."""


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

        Raises SourcePaused or ShareUsed instead of an attempt, and whatever the other reader raises.
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
        self._share = TimeShare()

    @property
    def is_normal(self) -> bool:
        return self._failures == 0 and self._share.is_unused

    def admit(self, present: float) -> None:
        """Allow an attempt, or raise SourcePaused or ShareUsed."""
        if self._failures:
            if present < self._next_attempt or self._attempting:
                message = f"{self._error}; {self._name} is tried again in {max(0, self._next_attempt - present):.0f} s"
                raise SourcePaused(message, source=self._name, server=_kind(self._name), kind="paused")
            self._attempting = True
        elif self._share.left_at(present) <= 0:
            message = f"{self._name} is slow; its share of the time for fetching is used up"
            wait = self._share.wait_seconds(present)
            raise ShareUsed(message, source=self._name, server=_kind(self._name), wait_seconds=wait)

    def note(self, present: float, seconds: float, error: str | None) -> None:
        """Take note of an attempt that has ended."""
        self._attempting = False
        if error is None:
            self._failures = 0
            self._share.charge(present, seconds)
        elif present >= self._next_attempt:  # not already noted for another record that was fetched at the same time
            pause = min(FIRST_PAUSE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS)
            self._failures, self._error, self._next_attempt = self._failures + 1, error, present + pause


def _kind(source: str) -> str:
    return "objects" if source.startswith("s3:") else "https"
