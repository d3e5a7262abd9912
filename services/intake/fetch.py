"""Fetches an image's bytes from S3 or from an allow-listed HTTPS host."""

from services.common.errors import Rejected, SourceUnavailable
from services.common.sources.uri import ImageUri, S3Uri, WebUri
from services.common.sources.web import WebClient, may_succeed_later
from services.common.store import ServiceStore
from services.intake.settings import IntakeSettings


class Fetcher:
    """Reads at most `limit` bytes per image. Thread-safe.

    Only the buckets and hosts of the settings are contacted, certificates are checked and redirects are not followed:
    an event must not be able to make intake contact addresses inside the network.
    """

    def __init__(self, store: ServiceStore, settings: IntakeSettings, limit: int) -> None:
        """Prepare; connects at its first use."""
        self._store, self._limit = store, limit
        self._buckets = {settings.s3_bucket, *settings.source_bucket_names()}
        self._web = WebClient(settings.allowed_hosts(), seconds=settings.https_seconds, ca_file=settings.https_ca_file)

    def fetch(self, uri: ImageUri) -> bytes:
        """Return the bytes of an image.

        Raises Rejected (`source_not_allowed`, `object_missing`, `file_too_large`, `source_refused`), SourceUnavailable
        if the image's host or bucket is away, or Retriable if our own store is.
        """
        return self._from_s3(uri) if isinstance(uri, S3Uri) else self._from_https(uri)

    def own(self, key: str) -> S3Uri:
        """Return the address of the object `key` in the pipeline's own bucket."""
        return S3Uri(self._store.bucket, key)

    def _from_s3(self, uri: S3Uri) -> bytes:
        if uri.bucket not in self._buckets:
            raise Rejected("source_not_allowed", f"bucket {uri.bucket!r} is not allowed (XRAY_SOURCE_BUCKETS)")
        return self._store.get_source(uri, self._limit)

    def _from_https(self, uri: WebUri) -> bytes:
        answer = self._web.get(uri, self._limit)
        if answer.status == 200:
            return answer.body
        if may_succeed_later(answer.status):
            message = f"{uri} answered {answer.status}"
            raise SourceUnavailable(message, source=uri.origin, server="https", kind=str(answer.status))
        raise Rejected("source_refused", f"{uri} answered {answer.status}", status=answer.status)
