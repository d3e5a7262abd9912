"""Fetches an image's bytes from S3 or from an allow-listed HTTPS host."""

import ssl
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError, SSLError

from services.common.errors import Rejected, SourceUnavailable
from services.common.store import ServiceStore
from services.intake.settings import IntakeSettings

_PIECE: Final = 1 << 16
_TRANSIENT: Final = {408, 425, 429, 500, 502, 503, 504}


class Fetcher:
    """Reads at most `limit` bytes per image. Thread-safe.

    Only the hosts of XRAY_HTTPS_HOSTS are contacted, certificates are checked and redirects are not followed: an event
    must not be able to make intake contact addresses inside the network.
    """

    def __init__(self, store: ServiceStore, settings: IntakeSettings, limit: int) -> None:
        """Prepare; connects at its first use."""
        self._store, self._limit = store, limit
        self._hosts = settings.https_host_names()
        self._buckets = {settings.s3_bucket, *settings.source_bucket_names()}
        context = ssl.create_default_context(cafile=settings.https_ca_file or None)
        self._http = urllib3.PoolManager(
            ssl_context=context, timeout=urllib3.Timeout(connect=5, read=30), retries=False, maxsize=settings.workers
        )

    def fetch(self, uri: str) -> bytes:
        """Return the bytes at `uri` (`s3://bucket/key` or `https://host/path`).

        Raises Rejected (`source_not_allowed`, `object_missing`, `file_too_large`, `source_refused`), SourceUnavailable
        when an HTTPS host does not answer, or Retriable.
        """
        parts = urlsplit(uri)
        if parts.scheme == "s3":
            return self._from_s3(parts.netloc, uri.removeprefix(f"s3://{parts.netloc}/"))
        return self._from_https(uri, parts.hostname or "")

    def close(self) -> None:
        """Close idle connections."""
        self._http.clear()

    def own(self, key: str) -> str:
        """Return the address of the object `key` in the pipeline's own bucket."""
        return f"s3://{self._store.bucket}/{key}"

    def _from_s3(self, bucket: str, key: str) -> bytes:
        if bucket not in self._buckets:
            raise Rejected("source_not_allowed", f"bucket {bucket!r} is not allowed (XRAY_SOURCE_BUCKETS)")
        return self._store.get(key, bucket=bucket, limit=self._limit)

    def _from_https(self, uri: str, host: str) -> bytes:
        if host not in self._hosts:
            raise Rejected("source_not_allowed", f"host {host!r} is not allowed (XRAY_HTTPS_HOSTS)")
        try:
            return self._download(uri, host)
        except MaxRetryError as error:
            raise Rejected("source_refused", f"{uri}: {error}") from error
        except (LocationValueError, UnicodeError) as error:
            raise Rejected("source_not_allowed", f"{uri}: {error}") from error
        except (HTTPError, OSError) as error:
            if distrusts_certificate(error):
                raise Rejected("source_refused", f"the certificate of {host} is not trusted: {error}") from error
            msg = f"could not fetch {uri}: {error}"
            source = f"https://{host}"
            raise SourceUnavailable(msg, source=source, server="https", kind=type(error).__name__) from error

    def _download(self, uri: str, host: str) -> bytes:
        answer = self._http.request("GET", uri, preload_content=False, redirect=False, decode_content=False)
        try:
            if answer.status in _TRANSIENT:
                msg = f"{uri} answered {answer.status}"
                source = f"https://{host}"
                raise SourceUnavailable(msg, source=source, server="https", kind=str(answer.status))
            if answer.status != 200:
                raise Rejected("source_refused", f"{uri} answered {answer.status}", status=answer.status)
            return self._body(uri, answer)
        except BaseException:
            answer.close()  # its unread bytes must not be read as the next response
            raise

    def _body(self, uri: str, answer: urllib3.BaseHTTPResponse) -> bytes:
        pieces, size = [], 0
        for piece in answer.stream(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > self._limit:
                raise Rejected(
                    "file_too_large", f"{uri} has more than the limit of {self._limit} bytes", limit=self._limit
                )
        return b"".join(pieces)


def distrusts_certificate(error: Exception) -> bool:
    """Return whether urllib3 refused a host's certificate; any other failed handshake may succeed later."""
    return isinstance(error, SSLError) and any(isinstance(one, ssl.SSLCertVerificationError) for one in error.args)
