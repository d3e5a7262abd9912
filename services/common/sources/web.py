"""A client for files on web servers that nobody here controls.

Every limit holds whatever the server does: one total time for name, connection, headers and body; a limit on headers
and body; no redirects; and the connection goes to the very address that was checked. Each request has its own
connection, so nothing is left of one for the next.
"""

import io
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse, IncompleteRead
from typing import Final

from services.common.errors import Fatal, Rejected, SourceUnavailable
from services.common.sources.hosts import AllowedHosts, Resolve, resolve
from services.common.sources.uri import WebUri

_CONNECT_SECONDS: Final = 5.0
"""Per address."""
_MOST_HEADER_BYTES: Final = 64 * 1024
_MOST_ERROR_BYTES: Final = 4096
_PIECE: Final = 64 * 1024


@dataclass(frozen=True)
class WebAnswer:
    """A complete answer; of one with a status other than 200, `body` is only the beginning."""

    status: int
    headers: HTTPMessage
    body: bytes


def may_succeed_later(status: int) -> bool:
    """Return whether a status is about the server's present state, not about the request."""
    return status >= 500 or status in {408, 425, 429}


class WebClient:
    """Reads whole files. Thread-safe.

    `seconds` limits a whole request, `silence_seconds` (None: as long) each wait within it.
    """

    def __init__(
        self,
        hosts: AllowedHosts,
        *,
        seconds: float,
        silence_seconds: float | None = None,
        ca_file: str = "",
        headers: Mapping[str, str] | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        """Trust the authorities in `ca_file` (PEM), or else the system's; connect only at a request.

        Raises Fatal if that file cannot be used.
        """
        self._hosts, self._resolve = hosts, resolve
        self._seconds, self._silence = seconds, silence_seconds or seconds
        self._headers = {"Accept-Encoding": "identity", **(headers or {})}
        try:
            self._tls = ssl.create_default_context(cafile=ca_file or None)
        except OSError as error:
            msg = f"XRAY_HTTPS_CA_FILE: no certificates can be read from {ca_file}: {error}"
            raise Fatal(msg) from error

    def get(self, uri: WebUri, limit: int) -> WebAnswer:
        """Return the answer to GET, with a body of at most `limit` bytes.

        Raises Rejected `source_not_allowed` (host, port or address), `source_refused` (certificate) or
        `file_too_large`, and SourceUnavailable for anything that may be different at another time.
        """
        self._hosts.require(uri)
        try:
            deadline = _Deadline(self._seconds, self._silence)
            with self._connected(uri, deadline) as connection:
                return self._ask(connection, uri, limit, deadline)
        except ssl.SSLCertVerificationError as error:
            message = f"the certificate of {uri.host} is not trusted: {error.verify_message}"
            raise Rejected("source_refused", message) from error
        except (OSError, HTTPException) as error:
            kind = type(error).__name__
            message = f"could not fetch {uri}: {kind}: {str(error)[:200]}"
            raise SourceUnavailable(message, source=uri.origin, server="https", kind=kind) from error

    def _connected(self, uri: WebUri, deadline: "_Deadline") -> socket.socket:
        addresses = self._hosts.addresses(uri, self._resolve, deadline.left())
        connection = _connect(addresses, uri.port, deadline)
        if uri.scheme == "http":
            return connection
        connection.settimeout(deadline.wait())
        return self._tls.wrap_socket(connection, server_hostname=uri.host)

    def _ask(self, connection: socket.socket, uri: WebUri, limit: int, deadline: "_Deadline") -> WebAnswer:
        fields = {"Host": uri.authority, **self._headers, "Connection": "close"}
        lines = [f"GET {uri.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        connection.settimeout(deadline.wait())
        connection.sendall("\r\n".join(lines).encode("ascii"))
        wire = _Wire(connection, deadline)
        answer = HTTPResponse(wire)  # type: ignore[arg-type] # it only calls makefile
        answer.begin()
        wire.header_bytes_left = None
        if answer.status != 200:
            return WebAnswer(answer.status, answer.headers, answer.read(_MOST_ERROR_BYTES))
        return WebAnswer(answer.status, answer.headers, _body(answer, uri, limit))


class _Deadline:
    """The time that is left for a request; raises TimeoutError when there is none."""

    def __init__(self, seconds: float, silence_seconds: float) -> None:
        self._seconds, self._silence = seconds, silence_seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            msg = f"not complete after {self._seconds:g} s"
            raise TimeoutError(msg)
        return left

    def wait(self) -> float:
        """Return the longest time to wait for the next bytes."""
        return min(self.left(), self._silence)


class _Wire(io.RawIOBase):
    """Reads a socket within a deadline, and only so much until the headers are complete."""

    def __init__(self, connection: socket.socket, deadline: _Deadline) -> None:
        self._connection, self._deadline = connection, deadline
        self.header_bytes_left: int | None = _MOST_HEADER_BYTES

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what BufferedReader passes
        if self.header_bytes_left is not None and self.header_bytes_left <= 0:
            msg = f"more than {_MOST_HEADER_BYTES} bytes of headers"
            raise HTTPException(msg)
        self._connection.settimeout(self._deadline.wait())
        count = self._connection.recv_into(buffer)
        if self.header_bytes_left is not None:
            self.header_bytes_left -= count
        return count


def _connect(addresses: list[str], port: int, deadline: _Deadline) -> socket.socket:
    """Connect to the first address that answers; raises the last address's error."""
    failure: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=min(_CONNECT_SECONDS, deadline.left()))
        except OSError as error:
            failure = error
    raise failure or OSError("no address")


def _body(answer: HTTPResponse, uri: WebUri, limit: int) -> bytes:
    too_large = Rejected("file_too_large", f"{uri} has more than the limit of {limit} bytes", limit=limit)
    if (answer.length or 0) > limit:
        raise too_large
    pieces, size = [], 0
    while piece := answer.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise too_large
    if answer.length:
        raise IncompleteRead(b"", answer.length)
    return b"".join(pieces)
