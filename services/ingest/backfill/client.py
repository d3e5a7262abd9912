"""An HTTP client that limits its request rate, waits when the server asks for it, and detects truncated answers."""

import threading
import time
import zlib
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage
from typing import Final

from services import __version__
from services.common.errors import Rejected, Retriable
from services.common.events.base import now
from services.common.sources.hosts import AllowedHosts
from services.common.sources.uri import WebUri
from services.common.sources.web import WebAnswer, WebClient, may_succeed_later

_GONE: Final = frozenset({404, 410})
_GZIP: Final = 31
"""zlib's `wbits` for gzip."""
_MOST_ERROR_BYTES: Final = 1000
_LONGEST_HOLD: Final = 600.0
"""Seconds. If a server asks for a longer pause, the client tries again after this time."""


class RateLimiter:
    """Lets all threads together start at most `rate` requests per second."""

    def __init__(self, rate: float, stop: threading.Event) -> None:
        """Stop waiting early when `stop` is set."""
        self._interval, self._stop = 1 / rate, stop
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Wait for this caller's turn; raises Retriable if `stop` is set meanwhile."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._interval
        if self._stop.wait(max(turn - time.monotonic(), 0)):
            msg = "stopped"
            raise Retriable(msg)

    def hold(self, seconds: float) -> None:
        """Start no request for this many seconds, at most 600."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + min(seconds, _LONGEST_HOLD))


class BackfillClient:
    """Reads complete answers. Thread-safe.

    `silence_seconds` is the longest pause within an answer, `answer_seconds` the longest time for a complete one.
    """

    def __init__(
        self,
        limiter: RateLimiter,
        hosts: AllowedHosts,
        *,
        silence_seconds: float = 30,
        answer_seconds: float = 300,
        ca_file: str = "",
    ) -> None:
        """Contact only `hosts`, and trust the authorities in `ca_file` or else the system's."""
        self._limiter = limiter
        self._web = WebClient(
            hosts,
            seconds=answer_seconds,
            silence_seconds=silence_seconds,
            ca_file=ca_file,
            headers={"User-Agent": f"mouse-xray-phenotyping/{__version__}", "Accept-Encoding": "gzip"},
        )

    def get(self, uri: WebUri, limit: int) -> bytes:
        """Return the body of a 200 answer, at most `limit` bytes.

        Raises Retriable for a missing, slow, truncated or 429/5xx answer (`Retry-After` delays all requests), Rejected
        `picture_missing` (404, 410), `source_refused` (another status, a bad certificate), `source_not_allowed` or
        `file_too_large`.
        """
        self._limiter.wait()
        answer = self._web.get(uri, limit)
        if answer.status == 200:
            return _inflated(uri, answer, limit)
        if may_succeed_later(answer.status):
            self._limiter.hold(_retry_after(answer.headers))
            msg = f"{uri} answered {answer.status}"
            raise Retriable(msg)
        body = _inflated(uri, answer, limit, whole=False)[:_MOST_ERROR_BYTES].decode(errors="replace")
        reason = "picture_missing" if answer.status in _GONE else "source_refused"
        raise Rejected(reason, f"{uri} answered {answer.status}", status=answer.status, answer=body)


def _inflated(uri: WebUri, answer: WebAnswer, limit: int, *, whole: bool = True) -> bytes:
    """Undo gzip; raises Rejected `file_too_large`, and Retriable for damaged or (if `whole`) truncated data."""
    if answer.headers.get("Content-Encoding", "").lower() != "gzip":
        return answer.body
    inflater = zlib.decompressobj(wbits=_GZIP)
    try:
        data = inflater.decompress(answer.body, limit + 1)
    except zlib.error as error:
        msg = f"{uri}: the compressed answer is damaged ({error})"
        raise Retriable(msg) from error
    if len(data) > limit:
        raise Rejected("file_too_large", f"{uri} has more than {limit} bytes", limit=limit)
    if whole and not inflater.eof:
        msg = f"{uri}: the compressed answer is truncated"
        raise Retriable(msg)
    return data


def _retry_after(headers: HTTPMessage) -> float:
    """Return the seconds that the server asks to wait; 0 if it does not ask."""
    text = headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - now()).total_seconds(), 0)
    except (ValueError, TypeError):
        return 0.0
