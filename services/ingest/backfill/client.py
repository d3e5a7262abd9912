"""An HTTP client that limits its request rate, waits when the server asks for it, and detects truncated answers."""

import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from services import __version__
from services.common.errors import Rejected, Retriable
from services.common.events.base import now
from services.intake.fetch import distrusts_certificate

_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_GONE: Final = frozenset({404, 410})
_PIECE: Final = 1 << 16
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

    def __init__(self, limiter: RateLimiter, *, silence_seconds: float = 30, answer_seconds: float = 300) -> None:
        """Prepare; the client connects at the first request."""
        self._limiter, self._answer_seconds = limiter, answer_seconds
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=10, read=silence_seconds),
            retries=False,
            maxsize=16,
            headers={"User-Agent": f"mouse-xray-phenotyping/{__version__}", "Accept-Encoding": "gzip"},
        )

    def get(self, url: str, limit: int, fields: list[tuple[str, str]] | None = None) -> bytes:
        """Return the body of a 200 answer, at most `limit` bytes.

        Raises Retriable for a missing, slow, truncated or 429/5xx answer (`Retry-After` delays all requests), Rejected
        `picture_missing` (404, 410), `source_refused` (another status, a bad certificate) or `file_too_large`.
        """
        self._limiter.wait()
        try:
            answer = self._http.request("GET", url, fields=fields, preload_content=False, redirect=False)
            try:
                self._check(url, answer)
                return self._body(url, answer, limit)
            except BaseException:
                answer.close()  # unread bytes must not become part of the next answer
                raise
            finally:
                answer.release_conn()
        except (HTTPError, OSError) as error:
            if isinstance(error, LocationValueError) or distrusts_certificate(error):
                raise Rejected("source_refused", f"{url}: {error}") from error
            msg = f"{url}: {error}"
            raise Retriable(msg) from error

    def close(self) -> None:
        """Close idle connections."""
        self._http.clear()

    def _check(self, url: str, answer: urllib3.BaseHTTPResponse) -> None:
        status = answer.status
        if status == 200:
            return
        if status in _TRANSIENT:
            self._limiter.hold(_retry_after(answer.headers))
            msg = f"{url} answered {status}"
            raise Retriable(msg)
        body = answer.read(1000).decode(errors="replace")
        reason = "picture_missing" if status in _GONE else "source_refused"
        raise Rejected(reason, f"{url} answered {status}", status=status, answer=body)

    def _body(self, url: str, answer: urllib3.BaseHTTPResponse, limit: int) -> bytes:
        deadline = time.monotonic() + self._answer_seconds
        pieces, size = [], 0
        for piece in answer.stream(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise Rejected("file_too_large", f"{url} has more than {limit} bytes", limit=limit)
            if time.monotonic() > deadline:
                msg = f"{url}: not complete after {self._answer_seconds:.0f} s"
                raise Retriable(msg)
        return b"".join(pieces)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that the server asks to wait; 0 if it does not ask."""
    text = headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - now()).total_seconds(), 0)
    except (ValueError, TypeError):
        return 0.0
