"""Object storage through boto3, with its errors translated to Retriable, Rejected and Fatal."""

import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from services.common.errors import Fatal, Rejected, SourceUnavailable
from services.common.s3_errors import ERRORS, MISSING, code_of, fault_of, refused, translated
from services.common.settings import Settings
from services.common.sources.uri import S3Uri

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_TAKEN: Final = "PreconditionFailed"
"""The similar ConditionalRequestConflict only means that somebody else is writing the key now, so it is retried."""
_CREATING_A_CLIENT: Final = threading.Lock()
"""boto3's default session is not thread-safe; its clients are."""
_CREATED_MEANWHILE: Final = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


class ServiceStore(Protocol):
    """What the services need of object storage. ObjectStore implements it and documents what each method raises."""

    bucket: str

    def put(self, key: str, data: bytes, content_type: str = ...) -> None: ...  # noqa: D102
    def put_new(self, key: str, data: bytes) -> bool: ...  # noqa: D102
    def get(self, key: str, limit: int | None = None) -> bytes: ...  # noqa: D102
    def get_source(self, uri: S3Uri, limit: int) -> bytes: ...  # noqa: D102
    def keys(self, prefix: str, limit: int | None = None) -> list[str]: ...  # noqa: D102
    def check_bucket(self) -> None: ...  # noqa: D102


class ObjectStore:
    """One bucket. Thread-safe; acknowledged writes are durable and immediately visible to every reader.

    Every method raises Retriable when the store is away, and Fatal when bucket or credentials are wrong or the store
    refuses what this program asks for.
    """

    def __init__(self, settings: Settings, *, connections: int = 16) -> None:
        """Connect lazily: nothing is sent before the first call."""
        self.bucket = settings.s3_bucket
        self._settings, self._connections = settings, connections

    @cached_property
    def _client(self) -> "S3Client":
        """The client; without an access key, boto3 looks for credentials, which may ask a server."""
        settings = self._settings
        if settings.s3_ca_file and not Path(settings.s3_ca_file).is_file():
            msg = f"there is no file {settings.s3_ca_file} (XRAY_S3_CA_FILE)"
            raise Fatal(msg)
        key, secret = settings.s3_access_key, settings.s3_secret_key.get_secret_value()
        with _CREATING_A_CLIENT:
            return boto3.client(
                "s3",
                endpoint_url=settings.s3_endpoint,
                aws_access_key_id=key or None,
                aws_secret_access_key=secret if key else None,
                region_name=settings.s3_region,
                verify=settings.s3_ca_file or None,
                config=Config(
                    connect_timeout=3,
                    read_timeout=20,
                    # The batch loop owns retries, since only it can keep the partition while it waits.
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    max_pool_connections=self._connections,
                    s3={"addressing_style": "path"},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store `data` under `key`, replacing an existing object."""
        with translated(f"put {key}"):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)

    def put_new(self, key: str, data: bytes) -> bool:
        """Store `data` under a key that does not exist yet; return False, and change nothing, if it exists.

        Raises Retriable while somebody else is writing it.
        """
        with translated(f"put {key}"):
            try:
                self._client.put_object(Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*")
            except ClientError as error:
                if code_of(error) == _TAKEN:
                    return False
                raise
        return True

    def get(self, key: str, limit: int | None = None) -> bytes:
        """Read an object.

        Raises Rejected `object_missing`, `file_too_large` (before reading it) or `source_refused` (the store has or
        takes no such object, whoever asks).
        """
        with translated(f"get {key}", reading=True):
            return self._read(S3Uri(self.bucket, key), limit)

    def get_source(self, uri: S3Uri, limit: int) -> bytes:
        """Read an object that somebody else named, in this bucket or in another one of the same store.

        Raises Rejected as `get` does. If the store denies access to the object, or fails on it, our own bucket decides
        whose fault it is: if that is denied or away too, Fatal or Retriable, as `check_bucket` raises them; otherwise
        Rejected `source_refused`, or for a fault of another bucket SourceUnavailable.
        """
        try:
            return self._read(uri, limit)
        except ERRORS as error:
            fault = fault_of(f"get {uri}", error, reading=True)
            if isinstance(fault, Rejected):
                raise fault from error
            self.check_bucket()
            if isinstance(fault, Fatal):
                raise refused(f"get {uri}", error) from error
            if uri.bucket != self.bucket:
                raise SourceUnavailable(str(fault), source=uri.origin, server=fault.server, kind=fault.kind) from error
            raise fault from error

    def exists(self, key: str) -> bool:
        """Return whether an object exists."""
        try:
            with translated(f"head {key}"):
                self._client.head_object(Bucket=self.bucket, Key=key)
        except Rejected:
            return False
        return True

    def keys(self, prefix: str, limit: int | None = None) -> list[str]:
        """List the keys below `prefix`, in byte order: all, or the first `limit`."""
        return list(self.etags(prefix, limit))

    def etags(self, prefix: str, limit: int | None = None) -> dict[str, str]:
        """List the keys below `prefix` with their ETags: a different ETag means different bytes."""
        with translated(f"list {prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, PaginationConfig={} if limit is None else {"MaxItems": limit}
            )
            return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", [])}

    def delete(self, key: str) -> None:
        """Delete an object if it exists. Only `xray erase` deletes originals and tensors, and nothing deletes views."""
        with translated(f"delete {key}"):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def create_bucket(self) -> bool:
        """Create the bucket; return False if it exists."""
        if self._has_bucket():
            return False
        with translated(f"create bucket {self.bucket}"):
            try:
                self._client.create_bucket(Bucket=self.bucket)
            except ClientError as error:
                if code_of(error) in _CREATED_MEANWHILE:
                    return False
                raise
        return True

    def check_bucket(self) -> None:
        """Raise Fatal if the bucket is missing or these credentials have no access to it."""
        if not self._has_bucket():
            msg = f"bucket {self.bucket!r} does not exist (XRAY_S3_BUCKET); run `xray init`"
            raise Fatal(msg)

    def _has_bucket(self) -> bool:
        with translated(f"reach bucket {self.bucket}"):
            try:
                # On AWS this needs the same right as HeadBucket; SeaweedFS takes that one for a read of all objects.
                self._client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
            except ClientError as error:
                if code_of(error) in MISSING | {"NoSuchBucket"}:
                    return False
                raise
        return True

    def _read(self, uri: S3Uri, limit: int | None) -> bytes:
        answer = self._client.get_object(Bucket=uri.bucket, Key=uri.key)
        size = answer["ContentLength"]
        if limit is not None and size > limit:
            answer["Body"].close()
            raise Rejected("file_too_large", f"{uri} has {size} bytes, the limit is {limit}", bytes=size)
        return answer["Body"].read()
